"""SQLite connections with the least privilege, and file-level copies."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from modelservice import private_files
from modelservice.domain.values import canonical_json
from modelservice.errors import DatabaseMissingError
from modelservice.store.access import LOCK_TIMEOUT, Access

# Files that SQLite keeps next to the database: logs, and the readers' shared index of them.
_LOGS: Final = ("-wal", "-journal")
SHARED: Final = "-shm"


def files_of(path: Path) -> list[Path]:
    """Returns the file of a database and those that SQLite keeps next to it, whether they exist or not."""
    return [path, *(path.with_name(path.name + suffix) for suffix in (*_LOGS, SHARED))]


def sqlite_engine(url: URL, access: Access) -> Engine:
    """Returns an engine that opens the file for each transaction, so that it notices a replaced file.

    Args:
        url: `sqlite:///relative/path` or `sqlite:////absolute/path`.
        access: What the connections may do.
    """
    engine = create_engine(
        url,
        creator=lambda: connect(url, access),
        poolclass=NullPool,
        json_serializer=canonical_json,
        # Errors are logged.
        hide_parameters=True,
    )

    # Python's driver begins no transaction for a SELECT, so two of them could see different states.
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if access is Access.READ else "BEGIN IMMEDIATE")

    return engine


def connect(url: URL, access: Access) -> sqlite3.Connection:
    """Opens the file.

    Raises:
        DatabaseMissingError: The file does not exist, and `access` is not `CREATE`.
        sqlite3.Error: The file cannot be opened.
    """
    path = Path(url.database or "")
    if access is Access.CREATE:
        # SQLite reports what prevents creation, and names the database. The files next to it get the same mode.
        # An existing file is not opened: closing it would release the locks of this process's connections.
        with contextlib.suppress(OSError):
            private_files.create(path.resolve())
    elif not path.exists():
        raise DatabaseMissingError(f"sqlite:///{path}")
    # Readers need write access, too: with a write-ahead log they update `-shm`. `query_only` restricts them.
    mode = "rwc" if access is Access.CREATE else "rw"
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=LOCK_TIMEOUT, isolation_level=None
    )
    if access is not Access.CREATE:
        # Migrations replace tables. A reference that was broken before stays as it is: `check` names it.
        connection.execute("PRAGMA foreign_keys = ON")
    if access is Access.READ:
        connection.execute("PRAGMA query_only = ON")
    return connection


def overwrite(url: URL, access: Access, file: Path, locked: Callable[[], None]) -> None:
    """Overwrites the database with the contents of another, in one transaction.

    Args:
        url: The database to overwrite, with a write-ahead log.
        access: What the connection to it may do.
        file: The other database.
        locked: Called once other writers are locked out, before readers can see any change. It may read the
            database and still write the other one.
    """
    called = False

    def step(status: int, _: int, __: int) -> None:
        nonlocal called
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            # `backup` itself would retry without limit.
            raise sqlite3.OperationalError("database is locked")
        if not called:
            called = True
            locked()

    with (
        contextlib.closing(sqlite3.connect(file, isolation_level=None)) as source,
        contextlib.closing(connect(url, access)) as target,
    ):
        # `backup` requires equal page sizes.
        (size,) = target.execute("PRAGMA page_size").fetchone()
        if (size,) != source.execute("PRAGMA page_size").fetchone():
            source.executescript(f"PRAGMA journal_mode = DELETE; PRAGMA page_size = {size}; VACUUM")
        # One page at a time: the first step locks the target, the last commits.
        source.backup(target, pages=1, progress=step)


@contextlib.contextmanager
def texts_decoded(connection: Connection, errors: str) -> Iterator[None]:
    """Decodes text here, because the driver's decoding error looks like a database error.

    Costs one call per text. Does nothing on Postgres, which stores only valid text.

    Args:
        connection: The connection.
        errors: Error handler for text that is not UTF-8, as in `bytes.decode`.
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
