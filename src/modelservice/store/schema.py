"""The database's schema: made, brought up to date, and recognized.

A database that is not this service's, or is more than one version newer, is never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from modelservice.errors import SchemaMismatchError
from modelservice.store.database import Database

# Not Alembic's usual name: another program's migrations in the same database are not ours.
VERSION_TABLE: Final = "modelservice_schema"
# The migrations, in order. Here by name, so that a server need not load Alembic to know where it is.
REVISIONS: Final = ("0001", "0002", "0003")
# Each migration fits the version before it too: its servers go on, and can be started, while others are replaced.
_NEXT: Final = f"{int(REVISIONS[-1]) + 1:04}"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    """The version of a schema before and after it was migrated; None before there was one."""

    before: str | None
    after: str


def require_current(connection: Connection, name: str) -> None:
    """Makes sure that the database has this version's schema.

    Args:
        connection: A connection to it.
        name: What messages call it.

    Raises:
        SchemaMismatchError: It has not. The text says what it has, and what to run.
    """
    version = _version(connection, name)
    if version is None:
        raise SchemaMismatchError(f"{name} is empty: run `modelservice migrate`")
    if version < REVISIONS[-1]:
        raise SchemaMismatchError(f"{name} has an older schema: run `modelservice migrate`")


def require_no_newer(connection: Connection, name: str) -> None:
    """Makes sure that the database has this version's schema or an older one.

    Args:
        connection: A connection to it.
        name: What messages call it.

    Raises:
        SchemaMismatchError: The database is empty, somebody else's, or newer.
    """
    version = _version(connection, name)
    if version is None:
        raise SchemaMismatchError(f"{name} holds no tables: it is no backup of modelservice")
    if version > REVISIONS[-1]:
        raise SchemaMismatchError(_newer(name))


def require_ours(connection: Connection, name: str) -> None:
    """Makes sure that the database is empty, or has a schema of this service, whichever.

    Raises:
        SchemaMismatchError: It is somebody else's.
    """
    _is_migrated(connection, name)


def migrate(database: Database) -> Migration:
    """Brings the database to this version's schema, in one transaction. Safe when two run at once.

    Args:
        database: The database, with `Access.CREATE`.

    Raises:
        SchemaMismatchError: It holds something else, or a newer version's schema. It was not touched.
        DatabaseUnavailableError: It cannot be reached, or refuses.
    """
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    with database.transaction() as connection:
        _version(connection, database.name)
    database.allow_reads_during_writes()
    with database.transaction() as connection:
        database.wait_for_other_migrations(connection)
        before = _version(connection, database.name)
        if before == _NEXT:
            return Migration(before, before)
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return Migration(before, REVISIONS[-1])


def _is_migrated(connection: Connection, name: str) -> bool:
    tables = inspect(connection).get_table_names()
    if tables and VERSION_TABLE not in tables:
        raise SchemaMismatchError(f"{name} holds tables that are not modelservice's: name a database of its own")
    return bool(tables)


def _newer(name: str) -> str:
    return f"{name} has the schema of a newer modelservice: use that version"


def _version(connection: Connection, name: str) -> str | None:
    if not _is_migrated(connection, name):
        return None
    version = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608  (a constant)
    if version is not None and version not in (*REVISIONS, _NEXT):
        raise SchemaMismatchError(_newer(name))
    return version
