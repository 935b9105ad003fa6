"""Tells a statement that is wrong from a database that cannot be used now."""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# Both for SQLAlchemy's errors and for those of the SQLite driver where it is used directly.
_WRONG: Final = (
    *(ProgrammingError, InterfaceError, NotSupportedError, DataError),
    *(sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.NotSupportedError, sqlite3.DataError),
)
# Postgres (Appendix A of its manual): a right that may be granted later; a table, a schema or a database that is
# missing. Those were there when the schema was checked, and may come back with a restore.
_OPERATIONAL_STATES: Final = {"42501", "42P01", "3F000", "3D000"}
# What SQLite says with the same generic code as for a syntax error: the table is missing, or the file damaged.
_OPERATIONAL_TEXTS: Final = ("no such table", "unsupported file format", "malformed database schema")


def is_defect(error: Exception) -> bool:
    """Says whether an error of the database libraries is a mistake of the program, which no other try can mend.

    A missing column counts as one: migrations add columns before a version reads them, so a query that names another is
    wrong, or the schema is not what its version says.

    Args:
        error: Any error of SQLAlchemy, or of the SQLite driver.
    """
    if isinstance(error, DisconnectionError | PoolTimeoutError):
        return False
    # Without a statement it was the connection that failed: for what the URL says, perhaps.
    if isinstance(error, DBAPIError) and (error.connection_invalidated or error.statement is None):
        return False
    cause = error.orig if isinstance(error, DBAPIError) else error
    if getattr(cause, "sqlstate", None) in _OPERATIONAL_STATES:
        return False
    if isinstance(cause, sqlite3.OperationalError):
        generic = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        return generic and not str(cause).startswith(_OPERATIONAL_TEXTS)
    # What is neither the driver's nor SQLite's is SQLAlchemy's own.
    return isinstance(error, _WRONG) or not isinstance(error, DBAPIError | sqlite3.Error)
