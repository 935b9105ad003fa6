"""Restoring a backup into a SQLite file: what it takes, what it keeps, and what servers see of it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from modelservice.errors import DatabaseUnavailableError, FileError, ModelserviceError, SchemaMismatchError
from modelservice.manage.auditing import list_audit
from modelservice.manage.keys import list_keys
from modelservice.manage.maintenance import backup, migrate, restore
from modelservice.manage.organizations import create_organization
from modelservice.store.schema import REVISIONS
from tests.support.backups import FOREIGN, NEWER, changes, cut, damage, files, full_disk, organizations, script, url_of
from tests.support.documents import TESTDATA
from tests.support.holder import Holder


def test_it_brings_back_what_the_backup_has_and_keeps_what_there_was(live: Path, copy: Path) -> None:
    create_organization(url_of(live), "test", "after")

    done = restore(url_of(live), "admin", copy)

    assert ["before"] == organizations(live)
    assert done.kept
    assert ["after", "before"] == organizations(done.kept)
    assert 0o600 == stat.S_IMODE(done.kept.stat().st_mode)
    assert {live.name, done.kept.name} == files(live.parent)


def test_it_is_in_the_audit(live: Path, copy: Path) -> None:
    create_organization(url_of(live), "test", "after")

    restore(url_of(live), "admin", copy)

    row = list_audit(url_of(live), 0)[-1]
    assert ("admin", "database.restore", str(copy)) == (row.actor, row.action, row.subject)
    assert {"replaced_revision": 2, "restored_revision": 1} == row.detail


@pytest.mark.parametrize("further", ["backup", "database"])
def test_its_revision_is_above_both_histories(live: Path, copy: Path, further: str) -> None:
    for name in ("one", "two", "three"):
        create_organization(url_of(copy if further == "backup" else live), "test", name)

    done = restore(url_of(live), "test", copy)

    assert 5 == done.revision == changes(url_of(live)).revision.number


@pytest.mark.parametrize("held_at", ["the backup's past", "the backup", "after it", "another history"])
def test_whatever_a_server_holds_it_loads_all_of_it(live: Path, copy: Path, tmp_path: Path, held_at: str) -> None:
    past = changes(url_of(live)).revision
    create_organization(url_of(copy), "test", "in-the-backup")
    held = {"the backup's past": past, "the backup": changes(url_of(copy)).revision}
    create_organization(url_of(live), "test", "after")
    held["after it"] = changes(url_of(live)).revision
    other = tmp_path / "other.db"
    migrate(url_of(other))
    create_organization(url_of(other), "test", "other")
    held["another history"] = changes(url_of(other)).revision
    # As somebody does who repairs a backup by hand: no revision says so.
    script(copy, "UPDATE organizations SET deleted = 1 WHERE id = 'in-the-backup'")

    restore(url_of(live), "test", copy)

    read = changes(url_of(live), held[held_at])
    assert read.complete
    assert changes(url_of(live)) == read


def test_what_was_kept_can_be_restored(live: Path, copy: Path) -> None:
    create_organization(url_of(live), "test", "after")
    kept = restore(url_of(live), "test", copy).kept
    assert kept

    again = restore(url_of(live), "test", kept)

    assert ["after", "before"] == organizations(live)
    assert again.kept
    assert ["before"] == organizations(again.kept)


def test_a_backup_with_an_older_schema_is_migrated_and_itself_left_alone(live: Path, tmp_path: Path) -> None:
    old = script(tmp_path / "old.db", (TESTDATA / "schema_0001.sql").read_text())
    content = old.read_bytes()

    restore(url_of(live), "test", old)

    assert ["k1"] == [key.id for key in list_keys(url_of(live))]
    assert content == old.read_bytes()
    assert {"live", "old.db"} == files(tmp_path)


def test_nothing_is_made_beside_the_backup(live: Path, copy: Path, tmp_path: Path) -> None:
    restore(url_of(live), "test", copy)

    assert {"live", "copy.db"} == files(tmp_path)


def test_a_backup_that_is_in_use_is_read_with_its_log(live: Path, copy: Path) -> None:
    with Holder(copy, "in-the-log"):
        assert (copy.parent / "copy.db-wal").stat().st_size

        restore(url_of(live), "test", copy)

    assert ["before", "in-the-log"] == organizations(live)


def test_a_link_to_a_backup_that_is_in_use_is_read_with_its_log(live: Path, copy: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(copy)
    with Holder(copy, "in-the-log"):
        restore(url_of(live), "test", link)

    assert ["before", "in-the-log"] == organizations(live)


def test_a_backup_with_pages_of_another_size_will_do(live: Path, copy: Path) -> None:
    script(copy, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM")

    restore(url_of(live), "test", copy)

    assert ["before"] == organizations(live)


def without_an_index(path: Path) -> None:
    script(path, "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'ix_audit_created'")


NEXT = f"{int(REVISIONS[-1]) + 1:04}"


def instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Returns what puts something else in a file's place."""

    def put(path: Path) -> None:
        path.unlink()
        make(path)

    return put


REFUSED: dict[str, tuple[Callable[[Path], object], type[ModelserviceError], str]] = {
    "no database": (damage, DatabaseUnavailableError, "{}: file is not a database"),
    "cut off": (cut, DatabaseUnavailableError, "{}: database disk image is malformed"),
    "damaged inside": (without_an_index, DatabaseUnavailableError, "{}: is damaged: Page "),
    "empty": (instead(Path.touch), SchemaMismatchError, "{} holds no tables"),
    "somebody else's": (
        instead(lambda path: script(path, FOREIGN)),
        SchemaMismatchError,
        "{} holds another program's tables",
    ),
    "newer": (
        instead(lambda path: script(path, NEWER)),
        SchemaMismatchError,
        "{} has the schema of a newer modelservice",
    ),
    "the next version's": (
        lambda path: script(path, f"UPDATE modelservice_schema SET version_num = '{NEXT}'"),  # noqa: S608
        SchemaMismatchError,
        "{} has the schema of a newer modelservice",
    ),
    "without a table": (
        lambda path: script(path, "DROP TABLE api_keys"),
        SchemaMismatchError,
        "{}: api_keys: table is missing",
    ),
    "with another column": (
        lambda path: script(path, "ALTER TABLE models RENAME COLUMN document TO facts"),
        SchemaMismatchError,
        "{}: models: column document is missing",
    ),
    "without a revision": (
        lambda path: script(path, "DELETE FROM head"),
        SchemaMismatchError,
        "{}: head: is empty",
    ),
    "with a program": (
        lambda path: script(path, "CREATE TRIGGER t AFTER INSERT ON audit BEGIN DELETE FROM api_keys; END"),
        SchemaMismatchError,
        "{} holds the trigger t",
    ),
    "a pipe": (instead(os.mkfifo), FileError, "{}: is not a file"),
    "a folder": (instead(Path.mkdir), FileError, "{}: is not a file"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_backup_is_refused_and_nothing_changed(live: Path, copy: Path, what: str) -> None:
    make, error, sentence = REFUSED[what]
    make(copy)
    before = live.read_bytes()

    with pytest.raises(error) as raised:
        restore(url_of(live), "test", copy)

    assert str(raised.value).startswith(sentence.format(copy))
    assert "\n" not in str(raised.value)
    assert (before, {live.name}) == (live.read_bytes(), files(live.parent))


@pytest.mark.parametrize("how", ["itself", "a link", "a hard link"])
def test_the_database_is_no_backup_of_itself(live: Path, tmp_path: Path, how: str) -> None:
    other = {"itself": live, "a link": tmp_path / "link", "a hard link": tmp_path / "hard"}[how]
    if how == "a link":
        other.symlink_to(live)
    elif how == "a hard link":
        other.hardlink_to(live)

    with pytest.raises(FileError, match=rf"^{other}: is the database itself: name a backup$"):
        restore(url_of(live), "test", other)


def test_somebody_elses_database_is_not_overwritten(copy: Path, tmp_path: Path) -> None:
    theirs = script(tmp_path / "theirs.db", FOREIGN)
    before = theirs.read_bytes()

    with pytest.raises(SchemaMismatchError, match="holds another program's tables"):
        restore(url_of(theirs), "test", copy)

    assert before == theirs.read_bytes()


def test_a_database_of_a_newer_version_can_be_taken_back(live: Path, copy: Path) -> None:
    script(live, "UPDATE modelservice_schema SET version_num = '9999'; ALTER TABLE head RENAME TO heads")

    restore(url_of(live), "test", copy)

    assert ["before"] == organizations(live)


def test_one_that_another_writes_for_too_long_is_left_alone(live: Path, copy: Path) -> None:
    create_organization(url_of(live), "test", "after")
    with closing(sqlite3.connect(live, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")

        with pytest.raises(DatabaseUnavailableError, match="database is locked"):
            restore(url_of(live), "test", copy)

    assert ["after", "before"] == organizations(live)
    assert {live.name} == files(live.parent)


def test_a_full_disk_leaves_nothing_behind(live: Path, copy: Path, tmp_path: Path) -> None:
    create_organization(url_of(live), "test", "after")

    with full_disk():
        with pytest.raises(DatabaseUnavailableError, match="database or disk is full"):
            restore(url_of(live), "test", copy)
        with pytest.raises(DatabaseUnavailableError, match="database or disk is full"):
            backup(url_of(live), tmp_path / "another.db")

    assert ["after", "before"] == organizations(live)
    assert {live.name} == files(live.parent)
    assert {"live", "copy.db"} == files(tmp_path)


def test_a_log_that_a_killed_writer_left_is_kept_and_not_replayed(live: Path, copy: Path) -> None:
    Holder(live, "in-the-log").kill()
    assert Path(f"{live}-wal").stat().st_size

    done = restore(url_of(live), "test", copy)

    assert ["before"] == organizations(live)
    assert done.kept
    assert ["before", "in-the-log"] == organizations(done.kept)
    with closing(sqlite3.connect(live)) as connection:
        assert ("ok",) == connection.execute("PRAGMA integrity_check").fetchone()
