"""SQLite's files: which are made, which are not touched, and what a copy of one means."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from modelservice.cli.preconditions import require_database_file
from modelservice.errors import DatabaseMissingError, DatabaseUnavailableError, SchemaMismatchError
from modelservice.manage import maintenance as manage_database
from modelservice.manage.keys import list_keys, revoke_key
from modelservice.manage.organizations import create_organization, list_organizations
from modelservice.manage.system_catalogue import import_catalogue, load_documented
from modelservice.store import schema, tables
from modelservice.store.access import Access
from modelservice.store.database import Database
from tests.support.backups import FOREIGN, NEWER, changes
from tests.support.documents import TESTDATA


def test_a_database_of_the_version_before_keeps_all_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    url = f"sqlite:///{path}"
    connection = sqlite3.connect(path)
    connection.executescript((TESTDATA / "schema_0001.sql").read_text())
    connection.close()
    with pytest.raises(SchemaMismatchError, match="has an older schema: run `modelservice migrate`"):
        list_keys(url)

    assert schema.Migration("0001", schema.REVISIONS[-1]) == manage_database.migrate(url)

    whole = changes(url)
    assert (["gpt-x"], ["k1"]) == ([model.name for model in whole.models], [key.id for key in whole.keys])
    assert ["acme"] == [organization.id for organization in list_organizations(url)]
    with Database(url, Access.READ).transaction() as current:
        context = MigrationContext.configure(current, opts={"version_table": schema.VERSION_TABLE})
        assert [] == compare_metadata(context, tables.metadata)
    # And goes on: what was there can be changed, and what is new can be added.
    revoke_key(url, "test", "k1")
    import_catalogue(url, "test", [{"name": "gpt-x", "display_name": "New", "provider": "p"}])
    assert whole.revision.number + 2 == changes(url).revision.number


@pytest.mark.parametrize(
    ("script", "sentence"),
    [(FOREIGN, "holds another program's tables"), (NEWER, "has the schema of a newer modelservice")],
    ids=["foreign", "newer"],
)
def test_a_database_that_is_not_ours_is_not_touched(tmp_path: Path, script: str, sentence: str) -> None:
    path = tmp_path / "theirs.db"
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    before = path.read_bytes()
    url = f"sqlite:///{path}"

    for touch in (
        lambda: manage_database.migrate(url),
        lambda: load_documented(url, "test"),
        lambda: create_organization(url, "test", "acme"),
        lambda: changes(url),
    ):
        with pytest.raises(SchemaMismatchError, match=sentence):
            touch()

    assert before == path.read_bytes()
    assert ["theirs.db"] == [file.name for file in tmp_path.iterdir()]


def test_only_migrate_makes_a_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'none.db'}"

    for touch in (lambda: changes(url), lambda: create_organization(url, "test", "acme"), lambda: list_keys(url)):
        with pytest.raises(DatabaseUnavailableError, match="does not exist: run `modelservice init`"):
            touch()
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["test.db", "with space.db", "a%20b.db", "100%+.db", "a@b:c.db", "ü.db", "folder/../test.db"]
)
@pytest.mark.parametrize("relative", [False, True])
def test_run_looks_for_the_file_that_commands_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, relative: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    url = f"sqlite:///{name if relative else tmp_path / name}"
    with pytest.raises(DatabaseMissingError):
        require_database_file(url)

    manage_database.migrate(url)

    require_database_file(url)


def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    content = b"Some text, longer than the header of a database." * 40
    path.write_bytes(content)

    with pytest.raises(DatabaseUnavailableError, match="file is not a database"):
        manage_database.migrate(f"sqlite:///{path}")
    assert content == path.read_bytes()


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match=r"unable to open database file$"):
        manage_database.migrate(f"sqlite:///{tmp_path / 'none' / 'test.db'}")


def test_a_restored_backup_is_read_whole(url: str, tmp_path: Path) -> None:
    create_organization(url, "test", "before")
    backup = tmp_path / "backup.db"
    with sqlite3.connect(tmp_path / "test.db") as source, sqlite3.connect(backup) as copy:
        source.backup(copy)
    source.close()
    copy.close()
    create_organization(url, "test", "after")
    held = changes(url).revision

    # The backup's numbers grow again, past what is held: only their tokens tell.
    restored = f"sqlite:///{backup}"
    for name in ("one", "two", "three"):
        create_organization(restored, "test", name)

    assert changes(restored, held).complete
    assert changes(restored).revision == changes(restored, held).revision
    assert held.number < changes(restored).revision.number
