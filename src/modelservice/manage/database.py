"""The database itself."""

from __future__ import annotations

import os
from pathlib import Path

from modelservice.errors import ConflictError
from modelservice.store import schema
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read


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
        ConflictError: The file exists, or cannot be made, or the database is Postgres, which has its own ways.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be read, or the file not be written.
    """
    database = Database(database_url, Access.READ)
    database.require_file()
    with read(database):
        # It is there, and it is ours.
        pass
    try:
        # Its owner's alone: it holds all that the database holds.
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise ConflictError(f"{file}: {error.strerror}") from None
    database.copy_to(file)
    return file.stat().st_size
