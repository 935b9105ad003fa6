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
