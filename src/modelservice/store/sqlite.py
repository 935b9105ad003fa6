"""SQLite: a file, and connections that can do no more than their work needs."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from modelservice.domain.values import canonical_json
from modelservice.errors import DatabaseUnavailableError
from modelservice.store.access import LOCK_TIMEOUT, Access


def sqlite_engine(url: URL, access: Access) -> Engine:
    """Returns what connects to a SQLite file, anew for each transaction: so a file that was replaced is noticed.

    Args:
        url: `sqlite:///relative/path` or `sqlite:////absolute/path`.
        access: What the connections may do.
    """
    engine = create_engine(
        url,
        creator=lambda: connect(url, access),
        poolclass=NullPool,
        json_serializer=canonical_json,
        # Errors go into logs.
        hide_parameters=True,
    )

    # Python's driver starts no transaction for a SELECT, so that two of them could see two states.
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if access is Access.READ else "BEGIN IMMEDIATE")

    return engine


def connect(url: URL, access: Access) -> sqlite3.Connection:
    """Opens the file.

    Raises:
        DatabaseUnavailableError: There is none, and `access` makes none.
        sqlite3.Error: It cannot be opened.
    """
    path = Path(url.database or "")
    if access is not Access.CREATE and not path.exists():
        raise DatabaseUnavailableError(f"{url.render_as_string()} does not exist: run `modelservice migrate`")
    # Readers, too, open the file for writing: a reader of the log keeps its place in a file beside it. What holds them
    # is `query_only`.
    mode = "rwc" if access is Access.CREATE else "rw"
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=LOCK_TIMEOUT, isolation_level=None
    )
    connection.execute("PRAGMA foreign_keys = ON")
    if access is Access.READ:
        connection.execute("PRAGMA query_only = ON")
    return connection


def keep_changes_in_a_log(url: URL, access: Access) -> None:
    """Makes the file keep its changes in a log beside it, so that a commit stops no reader. It stays so."""
    with contextlib.closing(connect(url, access)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def copy(url: URL, access: Access, file: Path) -> None:
    """Copies the database to an empty file: one state of it."""
    with contextlib.closing(connect(url, access)) as source, contextlib.closing(sqlite3.connect(file)) as target:
        source.backup(target)


@contextlib.contextmanager
def texts_decoded(connection: Connection, errors: str) -> Iterator[None]:
    """Decodes texts here rather than in the driver, whose error cannot be told from the database's.

    It costs a call for each text. Nothing happens on Postgres, which stores no text that is not valid.

    Args:
        connection: The connection.
        errors: What to do about a text that is not UTF-8, as `bytes.decode` takes it.
    """
    driver = connection.connection.dbapi_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    driver.text_factory = lambda text: text.decode(errors=errors)
    try:
        yield
    finally:
        driver.text_factory = str
