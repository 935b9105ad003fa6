"""The database itself."""

from __future__ import annotations

import time
from pathlib import Path

from modelservice import private_files
from modelservice.errors import FileError
from modelservice.store import restoring, schema
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from modelservice.store.restoring import Restored


def migrate(database_url: str) -> schema.Migration:
    """Makes the database, or brings it to this version's schema. One that is so already stays as it is.

    Raises:
        SchemaMismatchError: It holds something else, or a newer version's schema. It was not touched.
        DatabaseUnavailableError: It cannot be reached, or refuses.
    """
    return schema.migrate(Database(database_url, Access.CREATE))


def backup(database_url: str, file: Path) -> int:
    """Copies the database to a file: one state of it, while servers and writers go on.

    Args:
        database_url: Which.
        file: Where to. It must not exist.

    Returns:
        The file's size, in bytes.

    Raises:
        FileError: The file exists, or cannot be made, or the database is Postgres, which has pg_dump.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be read, or the file not be written.
    """
    database = Database(database_url, Access.READ)
    database.file("back it up with pg_dump")
    with read(database):
        # It is there, and it is ours.
        pass
    try:
        # Its owner's alone: it holds all that the database holds.
        private_files.create(file)
    except OSError as error:
        raise FileError(f"{file}: {error.strerror}") from None
    try:
        database.copy_to(file)
    except BaseException:
        file.unlink()
        raise
    return file.stat().st_size


def restore(database_url: str, actor: str, backup: Path) -> Restored:
    """Replaces what the database holds with a backup, in one step for servers, which go on meanwhile.

    Args:
        database_url: The database. It may be missing, or damaged.
        actor: Who restores it, for the audit.
        backup: The backup: a database of this schema or an older one, which is migrated.

    Raises:
        FileError: The database is Postgres, which has pg_restore; the backup is the database itself; the database
            is damaged, and another process has it open; or a file cannot be written.
        SchemaMismatchError: The backup, or the database, is somebody else's; or the backup is newer than this version.
        DatabaseUnavailableError: The backup is damaged or no database, or the database cannot be written now.
    """
    return restoring.restore(database_url, backup, actor, int(time.time()))
