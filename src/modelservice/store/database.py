"""Connections to the database, each with the least that its work needs."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from modelservice.database_url import printable, without_secrets
from modelservice.errors import DatabaseUnavailableError, DefectError, FileError
from modelservice.store import sqlite
from modelservice.store.access import Access
from modelservice.store.defects import is_defect
from modelservice.store.postgres import postgres_engine, unencrypted_host

# Any number, but always the same: what migrations of this service lock.
_MIGRATIONS_LOCK: Final = 0x6D6F6465_6C736572


class Database:
    """The database at a URL. It is connected to when a transaction begins, and never before.

    Args:
        url: `sqlite:///path` or `postgresql+psycopg://…`.
        access: What the connections may do. Only `CREATE` makes a SQLite file where there is none.
        kept: Whether a connection to Postgres is kept between transactions, until `close`.
        name: What messages call it; empty for its URL without secrets.

    Raises:
        DatabaseUnavailableError: The URL's parameters contradict each other.
    """

    def __init__(self, url: str, access: Access, *, kept: bool = False, name: str = "") -> None:
        self.access = access
        self.name = name or printable(url)
        self._given = url
        # A URL that contradicts itself is the operator's, not a defect.
        with self.named_errors(defects=False):
            self._url = make_url(url)
            self._is_sqlite = self._url.get_backend_name() == "sqlite"
            if self._is_sqlite:
                self._engine = sqlite.sqlite_engine(self._url, access)
            else:
                self._engine = postgres_engine(self._url, access, kept=kept)

    @contextlib.contextmanager
    def transaction(self, answered: Callable[[], None] = lambda: None) -> Iterator[Connection]:
        """Opens a connection with one transaction on it: committed at the end, rolled back on an exception.

        Args:
            answered: Called after each answer of Postgres, which may be long in coming.

        Raises:
            DefectError: A statement is wrong.
            DatabaseUnavailableError: The database cannot be reached, or refuses. The text holds no SQL and no values.
        """
        with self.named_errors(), self._engine.connect() as connection:
            connection.info["answered"] = answered
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Ends the connection that is kept, if there is one."""
        self._engine.dispose()

    def allow_reads_during_writes(self) -> None:
        """Makes sure that a commit stops no reader: Postgres does so by itself, a SQLite file is told once.

        Raises:
            DatabaseUnavailableError: The file cannot be opened or written.
        """
        if self._is_sqlite:
            with self.named_errors():
                sqlite.keep_changes_in_a_log(self._url, self.access)

    def wait_for_other_migrations(self, connection: Connection) -> None:
        """Lets one transaction at a time go on. On SQLite, that is what `CREATE` begins with."""
        if not self._is_sqlite:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_MIGRATIONS_LOCK,))

    def copy_to(self, file: Path) -> None:
        """Copies a SQLite database to an empty file: one state of it.

        Raises:
            DatabaseUnavailableError: It cannot be read, or the file not be written.
        """
        with self.named_errors():
            sqlite.copy(self._url, self.access, file)

    def overwrite_with(self, file: Path, locked: Callable[[], None]) -> None:
        """Overwrites a SQLite database with another, in one transaction (`store.sqlite.overwrite`).

        Raises:
            DatabaseUnavailableError: It cannot be written, or another write held it for too long.
        """
        with self.named_errors():
            sqlite.overwrite(self._url, self.access, file, locked)

    def file(self, otherwise: str) -> Path:
        """Returns the file that holds a SQLite database.

        Args:
            otherwise: What to do where it is Postgres.

        Raises:
            FileError: It is Postgres.
        """
        if not self._is_sqlite:
            raise FileError(f"{self.name}: is Postgres: {otherwise}")
        return Path(self._url.database or "").resolve()

    def files(self) -> list[Path]:
        """Returns the files that hold the database, whether they exist or not; none for Postgres."""
        return sqlite.files_of(Path(self._url.database or "").resolve()) if self._is_sqlite else []

    def unencrypted_host(self) -> str | None:
        """Returns a host that connections reach over a network, and possibly without TLS; None for none."""
        return None if self._is_sqlite else unencrypted_host(self._engine)

    @contextlib.contextmanager
    def named_errors(self, *, defects: bool = True) -> Iterator[None]:
        """Raises what the driver raises as `DatabaseUnavailableError`. The text has no SQL, no values, no secrets."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            # The driver's own sentence: SQLAlchemy's would quote the statement and its values.
            cause = error.orig if isinstance(error, DBAPIError) else error
            # Postgres adds the row that it refused, which only the first part of its message does not.
            diagnosis = getattr(cause, "diag", None)
            sentence = " ".join(str((diagnosis and diagnosis.message_primary) or cause).split())
            sentence = without_secrets(sentence, self._given)
            line = f"{self.name}: {sentence or type(cause).__name__}"
            if defects and is_defect(error):
                raise DefectError(f"{line}: this is a defect of modelservice") from error
            raise DatabaseUnavailableError(line) from error
