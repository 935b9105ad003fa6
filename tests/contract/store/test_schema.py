"""The schema: made, recognized, and good for the version before and after."""

from __future__ import annotations

import pytest

from modelservice.errors import SchemaMismatchError
from modelservice.manage.maintenance import migrate
from modelservice.manage.organizations import create_organization, list_organizations
from modelservice.manage.system_catalogue import load_documented
from modelservice.store import schema
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database


def run(url: str, *statements: str) -> None:
    with Database(url, Access.WRITE).transaction() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def at_version(url: str, version: str) -> None:
    run(url, f"UPDATE {schema.VERSION_TABLE} SET version_num = '{version}'")  # noqa: S608


def test_the_next_versions_schema_is_good_for_this_one(url: str) -> None:
    at_version(url, f"{int(schema.REVISIONS[-1]) + 1:04}")

    load_documented(url, "test")
    migrate(url)

    read = read_changes(Database(url, Access.READ), None)
    assert read
    assert 10 == len(read.models)


def test_a_later_ones_is_not_touched(url: str) -> None:
    at_version(url, f"{int(schema.REVISIONS[-1]) + 2:04}")

    for touch in (lambda: migrate(url), lambda: create_organization(url, "test", "a"), lambda: list_organizations(url)):
        with pytest.raises(SchemaMismatchError, match="has the schema of a newer modelservice: use that version"):
            touch()


def test_an_older_ones_says_what_to_run(url: str) -> None:
    at_version(url, schema.REVISIONS[0])

    with pytest.raises(SchemaMismatchError, match="has an older schema: run `modelservice migrate`"):
        read_changes(Database(url, Access.READ), None)


def test_names_are_in_the_order_of_their_bytes(url: str) -> None:
    names = ["b", "B", "a", "A", "_", "-", "a-b", "a.b", "ab", "a_b", "Z", "0"]
    for name in names:
        create_organization(url, "test", name)

    assert sorted(names, key=str.encode) == [organization.id for organization in list_organizations(url)]
