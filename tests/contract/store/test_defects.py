"""A statement that is wrong is a defect, and not a database that cannot be read."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, column, select, text

from modelservice.errors import DatabaseUnavailableError, DefectError
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.tables import api_keys


@pytest.mark.parametrize(
    "statement",
    [
        text("SELECT nothing FROM models"),
        text("SELEC 1"),
        text("SELECT no_such_function(1)"),
        # What the library itself refuses: a name that is in no table, and a value that is not given.
        select(api_keys.c.id).where(api_keys.c.id == bindparam("id")),
        select(column("a")).join(select(column("b")).subquery()),
    ],
    ids=["column", "syntax", "function", "value", "join"],
)
def test_a_wrong_statement_is_a_defect(url: str, statement: object) -> None:
    def ask() -> None:
        with Database(url, Access.READ).transaction() as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    with pytest.raises(DefectError, match=r"this is a defect of modelservice$") as raised:
        ask()
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__


def test_a_table_that_is_missing_is_not(url: str) -> None:
    # It was there when the schema was checked, and comes back with a restore.
    def ask() -> None:
        with Database(url, Access.READ).transaction() as connection:
            connection.execute(text("SELECT 1 FROM customers"))

    with pytest.raises(DatabaseUnavailableError, match="customers"):
        ask()


def test_what_was_sent_is_not_in_the_cause(url: str) -> None:
    def ask() -> None:
        with Database(url, Access.READ).transaction() as connection:
            connection.execute(text("SELECT nothing FROM models WHERE name = :name"), {"name": "a secret"})

    with pytest.raises(DefectError) as raised:
        ask()
    assert "a secret" not in str(raised.value.__cause__)
