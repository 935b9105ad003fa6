"""A database connection with the least privilege for its task, and errors without secrets."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from modelservice.database_url import printable, without_secrets
from modelservice.errors import DatabaseUnavailableError, DefectError, FileError
from modelservice.store import sqlite
from modelservice.store.access import Access

# Advisory lock for migrations. The number is arbitrary, but must not change between versions.
_MIGRATIONS_LOCK: Final = 0x6D6F6465_6C736572

# Errors that are defects, as SQLAlchemy raises them and as the SQLite driver raises them directly.
_WRONG: Final = (
    *(ProgrammingError, InterfaceError, NotSupportedError, DataError),
    *(sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.NotSupportedError, sqlite3.DataError),
)
# Postgres (appendix A of its manual): missing privilege, table, schema or database. Each existed when the schema was
# checked, and may return with a grant or a restore.
_OPERATIONAL_STATES: Final = {"42501", "42P01", "3F000", "3D000"}
# SQLite uses the generic code of syntax errors for a missing table and a damaged file, too.
_OPERATIONAL_TEXTS: Final = ("no such table", "unsupported file format", "malformed database schema")


class Database:
    """The database at a URL. Connects when a transaction begins, never earlier.

    Args:
        url: `sqlite:///path` or `postgresql+psycopg://…`.
        access: What connections may do. Only `CREATE` creates a missing SQLite file.
        kept: Keep one Postgres connection open between transactions, until `close`.
        name: Name in messages; by default the URL without secrets.

    Raises:
        DatabaseUnavailableError: The URL's parameters contradict each other.
    """

    def __init__(self, url: str, access: Access, *, kept: bool = False, name: str = "") -> None:
        self.access = access
        self.name = name or printable(url)
        self._given = url
        # A contradictory URL is the operator's mistake, not a defect.
        with self.named_errors(defects=False):
            self._url = make_url(url)
            self._is_sqlite = self._url.get_backend_name() == "sqlite"
            if self._is_sqlite:
                self._engine = sqlite.sqlite_engine(self._url, access)
            else:
                # psycopg is slow to import, and most commands use a file.
                from modelservice.store.postgres import postgres_engine  # noqa: PLC0415

                self._engine = postgres_engine(self._url, access, kept=kept)

    @contextlib.contextmanager
    def transaction(self, answered: Callable[[], None] = lambda: None) -> Iterator[Connection]:
        """Opens a connection with one transaction: committed at the end, rolled back on an exception.

        Args:
            answered: Called after each response of Postgres, which may be slow.

        Raises:
            DefectError: A statement is wrong.
            DatabaseUnavailableError: The database cannot be reached, or refuses. The text has no SQL and no values.
        """
        with self.named_errors(), self._engine.connect() as connection:
            connection.info["answered"] = answered
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Closes the connection kept open, if there is one."""
        self._engine.dispose()

    def allow_reads_during_writes(self) -> None:
        """Switches a SQLite file to write-ahead logging, so that a commit blocks no reader. Postgres needs nothing."""
        if self._is_sqlite:
            with self.named_errors(), contextlib.closing(sqlite.connect(self._url, self.access)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")

    def wait_for_other_migrations(self, connection: Connection) -> None:
        """Locks out other migrations until the transaction ends. On SQLite, `CREATE` begins with that lock."""
        if not self._is_sqlite:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_MIGRATIONS_LOCK,))

    def copy_to(self, file: Path) -> None:
        """Copies one state of a SQLite database to an empty file."""
        with (
            self.named_errors(),
            contextlib.closing(sqlite.connect(self._url, self.access)) as source,
            contextlib.closing(sqlite3.connect(file)) as target,
        ):
            source.backup(target)

    def overwrite_with(self, file: Path, locked: Callable[[], None]) -> None:
        """Overwrites a SQLite database with another, in one transaction (`store.sqlite.overwrite`)."""
        with self.named_errors():
            sqlite.overwrite(self._url, self.access, file, locked)

    def file(self, otherwise: str) -> Path:
        """Returns the file of a SQLite database.

        Args:
            otherwise: For Postgres, what to do instead.

        Raises:
            FileError: It is Postgres.
        """
        if not self._is_sqlite:
            raise FileError(f"{self.name}: is Postgres: {otherwise}")
        return Path(self._url.database or "").resolve()

    def files(self) -> list[Path]:
        """Returns the files of the database, whether they exist or not; none for Postgres."""
        return sqlite.files_of(Path(self._url.database or "").resolve()) if self._is_sqlite else []

    def unencrypted_host(self) -> str | None:
        """Returns a host that connections may reach over a network without TLS, or None."""
        if self._is_sqlite:
            return None
        from modelservice.store.postgres import unencrypted_host  # noqa: PLC0415

        return unencrypted_host(self._engine)

    @contextlib.contextmanager
    def named_errors(self, *, defects: bool = True) -> Iterator[None]:
        """Turns driver errors into DatabaseUnavailableError or DefectError, without SQL, values or secrets."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            # The driver's own sentence: SQLAlchemy's quotes the statement and its values.
            cause = error.orig if isinstance(error, DBAPIError) else error
            # Postgres appends the refused row to everything but the primary message.
            diagnosis = getattr(cause, "diag", None)
            sentence = " ".join(str((diagnosis and diagnosis.message_primary) or cause).split())
            sentence = without_secrets(sentence, self._given)
            line = f"{self.name}: {sentence or type(cause).__name__}"
            if defects and _is_defect(error):
                raise DefectError(f"{line}: this is a defect of modelservice") from error
            raise DatabaseUnavailableError(line) from error


def _is_defect(error: Exception) -> bool:
    """Whether an error of SQLAlchemy or the SQLite driver is a defect of this program, which no retry can cure.

    A missing column counts: migrations add columns before any version reads them.
    """
    if isinstance(error, DisconnectionError | PoolTimeoutError):
        return False
    # Without a statement the connection failed, perhaps because of the URL.
    if isinstance(error, DBAPIError) and (error.connection_invalidated or error.statement is None):
        return False
    cause = error.orig if isinstance(error, DBAPIError) else error
    if getattr(cause, "sqlstate", None) in _OPERATIONAL_STATES:
        return False
    if isinstance(cause, sqlite3.OperationalError):
        generic = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        return generic and not str(cause).startswith(_OPERATIONAL_TEXTS)
    # The last case is SQLAlchemy's own errors.
    return isinstance(error, _WRONG) or not isinstance(error, DBAPIError | sqlite3.Error)
