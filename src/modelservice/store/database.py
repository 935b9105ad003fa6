"""Connections to the database, each with the least that its work needs."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from modelservice.domain.values import canonical_json
from modelservice.errors import DatabaseUnavailableError

# How long a write waits for another one, in seconds.
LOCK_TIMEOUT: Final = 5.0


class Access(Enum):
    """What a connection may do."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"


class Database:
    """The database at a URL. It is connected to for each transaction, and never before.

    Args:
        url: `sqlite:///relative/path` or `sqlite:////absolute/path`.
        access: What the connections may do. Only `CREATE` makes a database where there is none.
    """

    def __init__(self, url: str, access: Access) -> None:
        self.access = access
        self._engine = create_engine(
            url, creator=self._connect_sqlite, poolclass=NullPool, json_serializer=canonical_json
        )
        # What messages call it: without the password.
        self.name = self._engine.url.render_as_string(hide_password=True)

        # Python's driver starts no transaction for a SELECT, so that two of them could see two states.
        @event.listens_for(self._engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN" if access is Access.READ else "BEGIN IMMEDIATE")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Opens a connection with one transaction on it: committed at the end, rolled back on an exception.

        Raises:
            DatabaseUnavailableError: The database cannot be reached, or refuses. The text holds no SQL and no values.
        """
        with self._named_errors(), self._engine.begin() as connection:
            yield connection

    def allow_reads_during_writes(self) -> None:
        """Makes a SQLite file keep its changes in a log beside it, so that a commit stops no reader. It stays so.

        Raises:
            DatabaseUnavailableError: The file cannot be opened or written.
        """
        with self._named_errors(), contextlib.closing(self._connect_sqlite()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")

    def copy_to(self, file: Path) -> None:
        """Copies a SQLite database to an empty file: one state of it.

        Raises:
            DatabaseUnavailableError: It cannot be read, or the file not be written.
        """
        with (
            self._named_errors(),
            contextlib.closing(self._connect_sqlite()) as source,
            contextlib.closing(sqlite3.connect(file)) as copy,
        ):
            source.backup(copy)

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            # The driver's own sentence: SQLAlchemy's would quote the statement and its values.
            cause = error.orig if isinstance(error, DBAPIError) else error
            sentence = " ".join(str(cause).split()) or type(cause).__name__
            raise DatabaseUnavailableError(f"{self.name}: {sentence}") from error

    def _connect_sqlite(self) -> sqlite3.Connection:
        path = Path(self._engine.url.database or "")
        if self.access is not Access.CREATE and not path.exists():
            raise DatabaseUnavailableError(f"{self.name} does not exist: run `modelservice migrate`")
        # Readers, too, open the file for writing: a reader of the log keeps its place in a file beside it. What holds
        # them is `query_only`.
        mode = "rwc" if self.access is Access.CREATE else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=LOCK_TIMEOUT, isolation_level=None
        )
        connection.execute("PRAGMA foreign_keys = ON")
        if self.access is Access.READ:
            connection.execute("PRAGMA query_only = ON")
        return connection
