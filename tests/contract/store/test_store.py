"""The database: its schema, its history, and what is never touched."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from modelservice.domain.principal import MODELS_READ, Organization
from modelservice.errors import ConflictError, DatabaseUnavailableError, NotFoundError
from modelservice.manage import maintenance as manage_database
from modelservice.manage.keys import create_key, revoke_key
from modelservice.manage.organizations import create_organization, list_organizations
from modelservice.manage.system_catalogue import import_catalogue, load_documented
from modelservice.store import schema, tables
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from modelservice.store.writing import write
from tests.support.backups import changes


def test_the_migrations_make_the_tables_that_the_code_uses(url: str) -> None:
    with Database(url, Access.READ).transaction() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert [] == compare_metadata(context, tables.metadata)


def test_the_code_knows_the_migrations_in_their_order() -> None:
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))

    assert list(schema.REVISIONS) == [script.revision for script in scripts.walk_revisions()][::-1]


def test_migrating_again_changes_nothing(url: str) -> None:
    load_documented(url, "test")
    before = changes(url)

    manage_database.migrate(url)

    assert before == changes(url)


def test_readers_cannot_write(url: str) -> None:
    def attempt() -> None:
        with write(Database(url, Access.READ), 0, "test") as change:
            change.add_organization(Organization("acme", 0))

    with pytest.raises(DatabaseUnavailableError, match=r"read-?only"):
        attempt()


def test_nothing_new_is_nothing_read(url: str) -> None:
    load_documented(url, "test")
    held = changes(url).revision

    assert read_changes(Database(url, Access.READ), held) is None


def test_only_what_is_new_is_read(url: str) -> None:
    load_documented(url, "test")
    create_organization(url, "test", "acme")
    held = changes(url).revision

    key = create_key(url, "test", "acme", scopes={MODELS_READ})
    added = changes(url, held)
    revoke_key(url, "test", key.id)
    revoked = changes(url, added.revision)

    assert (False, (), [key.id]) == (added.complete, added.models, [one.id for one in added.keys])
    assert (held.number + 1, held.number + 2) == (added.revision.number, revoked.revision.number)
    assert [None, True] == [added.keys[0].revoked, revoked.keys[0].revoked is not None]


def test_a_write_that_changes_nothing_takes_no_revision(url: str) -> None:
    load_documented(url, "test")
    create_organization(url, "test", "acme")
    key = create_key(url, "test", "acme", scopes=())
    revoke_key(url, "test", key.id)
    held = changes(url).revision

    revoke_key(url, "test", key.id)
    load_documented(url, "test")
    with pytest.raises(ConflictError, match="organization acme: already exists"):
        create_organization(url, "test", "acme")
    with pytest.raises(NotFoundError, match="organization nobody: does not exist"):
        create_key(url, "test", "nobody", scopes=())
    with pytest.raises(NotFoundError, match="key nothing: does not exist"):
        revoke_key(url, "test", "nothing")

    assert read_changes(Database(url, Access.READ), held) is None


def test_an_error_in_a_write_leaves_nothing(url: str) -> None:
    create_organization(url, "test", "acme")
    held = changes(url).revision

    class StopError(Exception):
        pass

    def half_write() -> None:
        with write(Database(url, Access.WRITE), 0, "test") as change:
            change.add_organization(dataclasses.replace(list_organizations(url)[0], id="half"))
            raise StopError

    with pytest.raises(StopError):
        half_write()

    assert ["acme"] == [organization.id for organization in list_organizations(url)]
    assert read_changes(Database(url, Access.READ), held) is None


def test_names_are_told_apart_by_case(url: str) -> None:
    models = [{"name": name, "display_name": name, "provider": "p"} for name in ("Model", "model", "MODEL")]
    import_catalogue(url, "test", models)

    assert {"Model", "model", "MODEL"} == {model.name for model in changes(url).models}


def test_a_model_comes_back_as_it_went_in(url: str) -> None:
    fields = {
        "name": "a/b:c@d",
        "id": "550E8400-e29b-41d4-a716-446655440000",
        "display_name": "Ünï \u00a0 \"quoted\" 'x' %s; --",
        "provider": "p",
        "created": 2**32 - 1,
        "description": "\x1b\t\u2028\u202e\n",
        "enabled": False,
        "context_window": 2**32 - 1,
        "max_tokens": 0,
        "max_tokens_per_request": 2**32 - 1,
        "cost_per_1k_tokens": 1e-9,
        "credit_multiplier": 0,
        "capabilities": ["z", "a"],
        "compliance": [],
        "metadata": {"b": [1, 2.5, None, True, {"ü": "\0\u2028"}], "a": -(2**53)},
        "system_prompt": "p" * 100_000,
        "system_prompt_id": "550e8400-e29b-41d4-a716-446655440001",
    }
    import_catalogue(url, "test", [fields])
    (model,) = changes(url).models

    for name, value in fields.items():
        stored = getattr(model, name)
        if name in ("id", "system_prompt_id"):
            assert str(value).lower() == str(stored)
        else:
            assert value == (list(stored) if isinstance(stored, tuple) else stored)


def test_all_servers_of_a_database_seal_page_tokens_alike(url: str, tmp_path: Path) -> None:
    create_organization(url, "test", "acme")
    first = changes(url).revision
    create_organization(url, "test", "globex")
    later = changes(url, first).revision
    other = f"sqlite:///{tmp_path / 'other.db'}"
    manage_database.migrate(other)
    create_organization(other, "test", "acme")

    assert 32 == len(first.secret)
    assert first.secret == later.secret == changes(url).revision.secret
    assert first.secret != later.token
    assert first.secret != changes(other).revision.secret
