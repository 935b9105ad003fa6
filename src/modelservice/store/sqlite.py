"""SQLite: a file, and connections that can do no more than their work needs."""

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

# What SQLite keeps beside a file: changes that are not in it yet, or no longer; and what readers share of them.
_CHANGES: Final = ("-wal", "-journal")
SHARED: Final = "-shm"


def files_of(path: Path) -> list[Path]:
    """Returns the file of a database, and those that SQLite keeps beside it, whether they exist or not."""
    return [path, *(path.with_name(path.name + suffix) for suffix in (*_CHANGES, SHARED))]


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
        DatabaseMissingError: There is none, and `access` makes none.
        sqlite3.Error: It cannot be opened.
    """
    path = Path(url.database or "")
    if access is not Access.CREATE and not path.exists():
        raise DatabaseMissingError(f"sqlite:///{path}")
    if access is Access.CREATE:
        _create(path)
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


def _create(path: Path) -> None:
    """Makes an empty file where there is none. What SQLite keeps beside it gets the same mode."""
    # SQLite says in its own words what stands in the way, and names the database.
    with contextlib.suppress(OSError):
        # A file that exists is not opened: closing it would release the locks of this process's connections.
        private_files.create(path.resolve())


def keep_changes_in_a_log(url: URL, access: Access) -> None:
    """Makes the file keep its changes in a log beside it, so that a commit stops no reader. It stays so."""
    with contextlib.closing(connect(url, access)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def copy(url: URL, access: Access, file: Path) -> None:
    """Copies the database to an empty file: one state of it."""
    with contextlib.closing(connect(url, access)) as source, contextlib.closing(sqlite3.connect(file)) as target:
        source.backup(target)


def overwrite(url: URL, access: Access, file: Path, locked: Callable[[], None]) -> None:
    """Overwrites the database with the contents of another, in one transaction.

    Args:
        url: The database that is overwritten. It must keep its changes in a log.
        access: What the connection to it may do.
        file: The other one.
        locked: Called when nobody else can write the database any more, and before anything of the other is visible.
            It may read the database, and may still write the other one.
    """
    called = False

    def step(status: int, _: int, __: int) -> None:
        nonlocal called
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            # `backup` itself would try for ever.
            raise sqlite3.OperationalError("database is locked")
        if not called:
            called = True
            locked()

    with (
        contextlib.closing(sqlite3.connect(file, isolation_level=None)) as source,
        contextlib.closing(connect(url, access)) as target,
    ):
        _adopt_page_size(source, target)
        # A page at a time: the first locks the target, the last commits.
        source.backup(target, pages=1, progress=step)


def _adopt_page_size(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Makes pages of one database as large as another's, which SQLite wants of what it copies."""
    (size,) = target.execute("PRAGMA page_size").fetchone()
    if (size,) != source.execute("PRAGMA page_size").fetchone():
        source.executescript(f"PRAGMA journal_mode = DELETE; PRAGMA page_size = {size}; VACUUM")


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
