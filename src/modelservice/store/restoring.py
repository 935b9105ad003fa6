"""Restores a backup into a SQLite database while servers read it.

A private copy of the backup is checked, migrated, and given a new revision. Then SQLite writes the copy's pages into
the database in one transaction, so that readers see either the old or the new contents. The log of a killed writer
counts as old contents.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from sqlalchemy import Connection, select

from modelservice import private_files
from modelservice.domain.text import printable
from modelservice.errors import ConflictError, DatabaseUnavailableError, FileError, SchemaMismatchError
from modelservice.store import schema
from modelservice.store.access import LOCK_TIMEOUT, Access
from modelservice.store.checking import schema_problem
from modelservice.store.database import Database
from modelservice.store.sqlite import SHARED, files_of
from modelservice.store.tables import head
from modelservice.store.writing import write

# Start and length of SQLite's locks (os_unix.c), on Linux and macOS. A connection holds a part of the first while it
# reads or writes; with a write-ahead log, parts of both for as long as it is open.
_FILE_LOCK: Final = (0x4000_0000, 512)
_SHARED_LOCK: Final = (128, 1)


@dataclass(frozen=True, slots=True)
class Restored:
    """A finished restore: the new revision, and the copy of the previous contents if there were any."""

    revision: int
    kept: Path | None


@dataclass(frozen=True, slots=True)
class _Ready:
    """The private copy (`path`, next to the database) of a backup (`source`); `now` is in Unix seconds."""

    path: Path
    source: Path
    actor: str
    now: int

    @property
    def kept(self) -> Path:
        """Temporary name for the copy of the previous contents."""
        return self.path.with_name(f"{self.path.name}.kept")

    def database(self, access: Access) -> Database:
        """Returns the copy as a database that messages call by the backup's name."""
        return Database(f"sqlite:///{self.path}", access, name=str(self.source))

    def begin_history(self, replaced: int) -> int:
        """Gives the copy a revision above its own and the replaced one, and returns that."""
        database = self.database(Access.WRITE)
        with write(database, self.now, self.actor) as change:
            restored = change.begin_new_history(replaced)
            detail = {"restored_revision": restored, "replaced_revision": replaced}
            change.record("database.restore", printable(str(self.source)), detail)
        return _revision(database)


def restore(url: str, backup: Path, actor: str, now: int) -> Restored:
    """Replaces the contents of a SQLite database, which may be missing or damaged, with a backup.

    Raises:
        FileError: The database is Postgres; the backup is the database itself; or a file cannot be written.
        ConflictError: The database is damaged, and another process has it open.
        SchemaMismatchError: The backup or the database is another program's, or the backup is newer than this version.
        DatabaseUnavailableError: The backup is damaged or no database, or the database cannot be written now.
    """
    live = Database(url, Access.CREATE)
    path = live.file("restore it with pg_restore")
    if not path.parent.is_dir():
        raise FileError(f"{path.parent}: is not a folder: create it first")
    if not backup.is_file():
        raise FileError(f"{backup}: is not a file: name a backup")
    try:
        if any(backup.samefile(file) for file in files_of(path) if file.exists()):
            raise FileError(f"{backup}: is the database itself: name a backup")
        with _made_ready(backup, path, actor, now) as ready:
            if path.exists():
                try:
                    return _overwrite(live, Database(url, Access.READ), path, ready)
                except DatabaseUnavailableError as error:
                    if not _is_damage(error):
                        raise
            return _replace(path, ready)
    except OSError as error:
        raise FileError(f"{error.filename or path}: {error.strerror}") from None


@contextlib.contextmanager
def _made_ready(backup: Path, path: Path, actor: str, now: int) -> Iterator[_Ready]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.restore-", dir=path.parent)
    os.close(descriptor)
    ready = _Ready(Path(name), backup, actor, now)
    try:
        database = ready.database(Access.CREATE)
        with database.named_errors():
            _copy_intact(backup, ready.path)
        with database.transaction() as connection:
            schema.require_no_newer(connection, database.name)
            _require_tables_alone(connection, database.name)
        schema.migrate(database)
        problem = schema_problem(database)
        if problem:
            raise SchemaMismatchError(f"{backup}: {problem}: not an intact backup")
        yield ready
    finally:
        for file in (*files_of(ready.path), ready.kept):
            file.unlink(missing_ok=True)


def _require_tables_alone(connection: Connection, name: str) -> None:
    """Raises SchemaMismatchError if a backup contains code that the next write would run."""
    query = "SELECT type || ' ' || name FROM sqlite_master WHERE type IN ('trigger', 'view')"
    found = connection.exec_driver_sql(query).scalars().first()
    if found:
        raise SchemaMismatchError(f"{name} holds the {printable(found)}: not a backup of modelservice")


def _copy_intact(backup: Path, copy: Path) -> None:
    # SQLite looks for a log next to the file itself, not next to a link to it.
    backup = backup.resolve()
    # Without a log, read the file as immutable: nothing is created next to it, and it need not be writable.
    in_use = any(file.exists() for file in files_of(backup)[1:])
    options = "mode=ro" if in_use else "mode=ro&immutable=1"
    uri = f"file:{quote(str(backup))}?{options}"
    with (
        contextlib.closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        ((found,),) = target.execute("PRAGMA integrity_check(1)").fetchall()
    if found != "ok":
        # The first line only names the database.
        raise sqlite3.DatabaseError(f"is damaged: {found.splitlines()[-1]}")


def _is_damage(error: DatabaseUnavailableError) -> bool:
    """Whether SQLite cannot read the file's contents, rather than cannot access it now."""
    cause = getattr(error.__cause__, "orig", error.__cause__)
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _overwrite(live: Database, reading: Database, path: Path, ready: _Ready) -> Restored:
    with reading.transaction() as connection:
        schema.require_ours(connection, reading.name)
    live.allow_reads_during_writes()
    kept = _free_name(path, ready.now)
    revision = 0

    def locked() -> None:
        # No writer can add anything after this copy.
        nonlocal revision
        reading.copy_to(ready.kept)
        ready.kept.rename(kept)
        revision = ready.begin_history(_revision(reading))

    private_files.create(ready.kept)
    try:
        live.overwrite_with(ready.path, locked)
    except BaseException:
        kept.unlink(missing_ok=True)
        raise
    return Restored(revision, kept)


def _replace(path: Path, ready: _Ready) -> Restored:
    revision = ready.begin_history(0)
    kept = _free_name(path, ready.now)
    with _locked_for_all(path):
        existed = path.exists()
        if existed:
            owner = path.stat()
            with contextlib.suppress(PermissionError):
                os.chown(ready.path, owner.st_uid, owner.st_gid)
        # A leftover log belongs to the old file. SQLite would replay it over the new one.
        for file, aside in zip(files_of(path), files_of(kept), strict=True):
            if file.name.endswith(SHARED):
                file.unlink(missing_ok=True)
            elif file.exists():
                os.link(file, aside)
                aside.chmod(0o600)
                file.unlink()
        # Not a rename, which would overwrite a database created in the meantime.
        os.link(ready.path, path)
    return Restored(revision, kept if existed else None)


@contextlib.contextmanager
def _locked_for_all(path: Path) -> Iterator[None]:
    """Locks other processes out of a file, once none has it open.

    An open connection could write its log into the new file. Servers, which find the file damaged at each poll, open it
    only for an instant.
    """
    with contextlib.ExitStack() as stack:
        for file, lock in ((path, _FILE_LOCK), (path.with_name(path.name + SHARED), _SHARED_LOCK)):
            with contextlib.suppress(FileNotFoundError):
                _lock(path, stack.enter_context(file.open("r+b")), *lock)
        yield


def _lock(path: Path, file: IO[bytes], start: int, length: int) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT
    pause = threading.Event()
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                raise ConflictError(
                    f"{path}: is damaged, and another process has it open: stop servers and commands first"
                ) from None
            pause.wait(0.01)
        else:
            return


def _revision(database: Database) -> int:
    """Returns the last revision; 0 if it cannot be read because the file is empty, partly damaged or newer."""
    try:
        with database.transaction() as connection:
            return connection.execute(select(head.c.revision)).scalar() or 0
    except DatabaseUnavailableError:
        return 0


def _free_name(path: Path, now: int) -> Path:
    """Returns an unused name next to the database for its previous contents."""
    name = f"{path.name}.before-restore-{dt.datetime.fromtimestamp(now, dt.UTC):%Y%m%dT%H%M%SZ}"
    free = path.with_name(name)
    number = 1
    while any(file.exists() for file in files_of(free)):
        number += 1
        free = path.with_name(f"{name}-{number}")
    return free
