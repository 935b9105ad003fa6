"""What `check` finds in a database, and that it finds nothing in a sound one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from modelservice.catalogue.rendering import Entry, render_entry
from modelservice.domain.model import Model
from modelservice.domain.principal import MODELS_READ
from modelservice.errors import DatabaseUnavailableError
from modelservice.manage import database_check
from modelservice.manage.clients import add_client
from modelservice.manage.database_check import check_database
from modelservice.manage.keys import create_key
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import create_model, delete_models
from modelservice.manage.organizations import create_organization, delete_organization
from modelservice.manage.system_catalogue import load_documented
from modelservice.store.access import Access
from modelservice.store.checking import PROBLEM, WARNING
from modelservice.store.database import Database
from tests.support.poison import member, poison

GONE = "organization_id: refers to a deleted row of organizations"
on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture
def url(url: str) -> str:
    load_documented(url, "test")
    for name in ("acme", "gone"):
        create_organization(url, "test", name)
    delete_organization(url, "test", "gone", cascade=False)
    create_model(url, "test", "acme", "gpt-4o", {"name": "own", "display_name": "own"}, prompt_quota=0)
    create_model(url, "test", "acme", "gpt-4o", {"name": "other", "display_name": "other"}, prompt_quota=0)
    delete_models(url, "test", [ModelRef("other", "acme")])
    create_key(url, "test", "acme", scopes={MODELS_READ}, name="key")
    add_client(url, "test", "machine", "acme")
    return url


def found(url: str) -> list[tuple[str, str | None, str]]:
    """Returns severity, table and reason of each finding, in order."""
    report = check_database(url)
    assert report.ok == (PROBLEM not in {finding.severity for finding in report.findings})
    return [(finding.severity, finding.table, finding.reason) for finding in report.findings]


def execute(url: str, *statements: str) -> None:
    """Runs statements as they are; on SQLite, no reference is looked at."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)
        return
    with Database(url, Access.CREATE).transaction() as connected:
        for statement in statements:
            connected.exec_driver_sql(statement)


def test_a_sound_one_is_counted(url: str) -> None:
    report = check_database(url)

    assert ((), True) == (report.findings, report.ok)
    assert {"models": 12, "organizations": 2, "api_keys": 1, "clients": 1} == {
        table: count
        for table, count in report.rows.items()
        if table not in ("revisions", "audit", "sources", "layers", "model_states")
    }


@pytest.mark.parametrize(
    ("table", "assignment", "where", "reason"),
    [
        ("models", "document = '{'", "name = 'gpt-4o'", "document: is invalid"),
        ("models", member("metadata", "[]"), "name = 'gpt-4o'", "metadata: is invalid"),
        ("models", member("context_window", "0"), "name = 'own'", "context_window: is invalid"),
        ("api_keys", "scopes = '{}'", "true", "scopes: is invalid"),
        ("clients", "id = ' '", "true", "id: is invalid"),
        ("organizations", "id = ' '", "id = 'gone'", "id: is invalid"),
        (
            "models",
            "organization_id = 'gone'",
            "name = 'own'",
            GONE,
        ),
        ("api_keys", "organization_id = 'gone'", "true", GONE),
        ("clients", "organization_id = 'gone'", "true", GONE),
    ],
)
def test_a_row_that_is_wrong_is_named(url: str, table: str, assignment: str, where: str, reason: str) -> None:
    undeleted = "UPDATE organizations SET deleted = false WHERE id = ' '"
    poison(url, table, assignment, where)
    if table == "organizations":
        execute(url, undeleted)

    assert (PROBLEM, table, reason) in found(url)


def test_a_parent_that_is_deleted_is_named(url: str) -> None:
    poison(url, "models", "deleted = true", "name = 'gpt-4o'")

    reasons = ["parent_id: refers to a deleted row of models", "values: differ from what its sources state"]
    assert [(PROBLEM, "models", reason) for reason in reasons] == found(url)


def test_a_row_of_the_audit_or_the_history_is_named(url: str) -> None:
    execute(
        url, "UPDATE audit SET detail = '[]' WHERE revision = 1", "UPDATE revisions SET token = '' WHERE number = 2"
    )

    assert [(PROBLEM, "audit", "detail: is invalid"), (PROBLEM, "revisions", "token: is invalid")] == sorted(
        found(url), key=str
    )


def test_a_last_revision_that_is_another_is_named(url: str) -> None:
    execute(url, "UPDATE head SET revision = 3")

    assert [(PROBLEM, "head", "revision: differs from that of the last write")] == found(url)


def test_an_organizations_model_that_cannot_be_rendered_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def render(model: Model) -> Entry:
        if model.name == "own":
            raise TypeError(model.name)
        return render_entry(model)

    monkeypatch.setattr(database_check, "render_entry", render)

    assert [(PROBLEM, "models", "cannot be rendered (TypeError)")] == found(url)


def test_a_schema_that_is_another_is_told_apart(url: str) -> None:
    execute(
        url,
        "ALTER TABLE clients DROP COLUMN created",
        "DROP INDEX ix_audit_created",
        "CREATE TABLE somebodys (id int)",
        "ALTER TABLE models ADD COLUMN later int",
    )

    assert {
        (PROBLEM, "clients", "column created is missing"),
        (PROBLEM, "audit", "index ix_audit_created is missing"),
        (WARNING, "somebodys", "table is not part of this schema"),
        (WARNING, "models", "column later is not part of this schema"),
    } == set(found(url))


def test_more_than_this_version_knows_is_no_problem(url: str) -> None:
    execute(url, "CREATE INDEX mine ON audit (actor)")

    report = check_database(url)
    assert ([WARNING], True) == ([finding.severity for finding in report.findings], report.ok)
    assert report.rows


@on_sqlite
def test_references_that_sqlite_did_not_hold_are_named(url: str) -> None:
    execute(
        url,
        "UPDATE models SET parent_id = 'none', organization_id = 'nobody' WHERE organization_id = 'acme'",
        "UPDATE api_keys SET revision = 77",
    )

    assert {
        (PROBLEM, "models", "organization_id: refers to a missing row of organizations"),
        (PROBLEM, "models", "parent_id: refers to a missing row of models"),
        (PROBLEM, "models", "foreign_key_check: references to missing rows of models: 2"),
        (PROBLEM, "models", "foreign_key_check: references to missing rows of organizations: 2"),
        (PROBLEM, "api_keys", "foreign_key_check: references to missing rows of revisions: 1"),
        (PROBLEM, "api_keys", "revision: does not exist"),
    } <= set(found(url))


@on_sqlite
def test_a_file_that_is_damaged_is_said_so(url: str) -> None:
    file = Path(url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_models_revision'")
    content = bytearray(file.read_bytes())
    # Where the page's entries are.
    content[(page - 1) * 4096 + 8 : (page - 1) * 4096 + 40] = b"\xff" * 32
    file.write_bytes(content)

    assert [reason for _, _, reason in found(url) if reason.startswith("integrity_check: ")]


@on_sqlite
def test_one_that_is_none_is_one_sentence(url: str) -> None:
    Path(url.removeprefix("sqlite:///")).write_bytes(b"no database" * 1000)

    with pytest.raises(DatabaseUnavailableError, match="file is not a database"):
        check_database(url)


def test_one_of_another_version_is_said_so(url: str) -> None:
    execute(url, "UPDATE modelservice_schema SET version_num = '0001'")

    ((severity, table, reason),) = found(url)
    assert (PROBLEM, None) == (severity, table)
    assert reason.endswith("has an older schema: run `modelservice migrate`")


def test_values_that_differ_from_what_sources_state_are_named(url: str) -> None:
    poison(url, "models", member("context_window", "5"), "name = 'gpt-4o'")

    assert [(PROBLEM, "models", "values: differ from what its sources state")] == found(url)


def test_a_layer_that_is_wrong_is_named(url: str) -> None:
    execute(url, "UPDATE layers SET document = '[]' WHERE source = 'manual'")

    assert {(PROBLEM, "layers", "document: is invalid")} == set(found(url))


def test_a_statement_that_no_command_makes_is_named(url: str) -> None:
    execute(url, """UPDATE layers SET document = '{"capabilities":7}' WHERE source = 'documented'""")

    assert {(PROBLEM, "models", "values: differ from what its sources state")} == set(found(url))


def test_a_source_without_a_rank_has_its_default(url: str) -> None:
    execute(url, "DELETE FROM sources")

    assert [] == found(url)


@on_sqlite
def test_history_of_a_missing_model_is_named(url: str) -> None:
    execute(url, "INSERT INTO layers VALUES ('none', 'x', false, 1, NULL, '{}')")

    assert (PROBLEM, "layers", "model_id: refers to a missing row of models") in found(url)
