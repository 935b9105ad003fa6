"""Rows that cannot be read, put where a server will find them."""

from __future__ import annotations

import time

from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.writing import write


def poison(url: str, table: str, assignment: str, where: str) -> None:
    """Sets columns of rows to what no command writes, as a write of its own.

    Args:
        url: The database.
        table: The table.
        assignment: What is set, in SQL.
        where: For which rows, in SQL.
    """
    with write(Database(url, Access.WRITE), int(time.time()), "test") as change:
        change.record("test.poison", table, {})
        statement = f"UPDATE {table} SET {assignment}, revision = {change._revision} WHERE {where}"  # noqa: S608
        change._connection.exec_driver_sql(statement)


def member(name: str, value: str) -> str:
    """Returns the assignment that gives a member of a model's document another value, in JSON, valid or not.

    Of two members with a name, the last counts.
    """
    text = f',"{name}":{value}}}'.replace("'", "''")
    return f"document = substr(document, 1, length(document) - 1) || '{text}'"
