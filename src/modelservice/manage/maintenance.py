"""Migration, backup and restore of the database."""

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
    """Creates the database, or migrates it to this version's schema.

    Raises:
        SchemaMismatchError: It belongs to another program, or has a newer version's schema. It was not changed.
    """
    return schema.migrate(Database(database_url, Access.CREATE))


def backup(database_url: str, file: Path) -> int:
    """Copies a consistent state of the database to a new file, and returns its size in bytes.

    Raises:
        FileError: The file exists or cannot be created, or the database is Postgres, which has pg_dump.
    """
    database = Database(database_url, Access.READ)
    database.file("back it up with pg_dump")
    with read(database):
        # Checks the schema before the file is created.
        pass
    try:
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
    """Replaces the content of the database, which may be missing or damaged, with a backup. Servers keep running.

    Args:
        database_url: The database.
        actor: For the audit.
        backup: A database with this version's schema or an older one, which is migrated.

    Raises:
        FileError: The database is Postgres, which has pg_restore; the backup is the database itself; or a file cannot
            be written.
        ConflictError: The database is damaged, and another process has it open.
        SchemaMismatchError: The backup or the database belongs to another program, or the backup is newer.
        DatabaseUnavailableError: The backup is damaged or not a database, or the database cannot be written.
    """
    return restoring.restore(database_url, backup, actor, int(time.time()))
