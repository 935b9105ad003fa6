"""Creates, migrates and recognizes the database schema.

A database of another program, or one more than one version newer, is never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from modelservice.errors import SchemaMismatchError
from modelservice.store.database import Database

# Not Alembic's default name, which another program in the same database may use.
VERSION_TABLE: Final = "modelservice_schema"
# Listed here so that a server can check its schema without loading Alembic.
REVISIONS: Final = ("0001", "0002", "0003", "0005")
# A version also works with the schema of the next number, so that old servers keep working during a rolling upgrade.
# A schema that does not fit the previous version skips that number: 0005 replaces tables that 0.1 needs.
_NEXT: Final = f"{int(REVISIONS[-1]) + 1:04}"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    """The schema version before and after a migration; `before` is None for an empty database."""

    before: str | None
    after: str


def require_current(connection: Connection, name: str) -> None:
    """Raises SchemaMismatchError, with the remedy, unless the database called `name` has this version's schema."""
    version = _version(connection, name)
    if version is None:
        raise SchemaMismatchError(f"{name} is empty: run `modelservice migrate`")
    if version < REVISIONS[-1]:
        raise SchemaMismatchError(f"{name} has an older schema: run `modelservice migrate`")


def require_no_newer(connection: Connection, name: str) -> None:
    """Raises SchemaMismatchError unless the database called `name` has this version's schema or an older one."""
    version = _version(connection, name)
    if version is None:
        raise SchemaMismatchError(f"{name} holds no tables: not a backup of modelservice")
    if version > REVISIONS[-1]:
        raise SchemaMismatchError(_newer(name))


def migrate(database: Database) -> Migration:
    """Migrates the database to this version's schema, in one transaction. Concurrent calls are safe.

    Args:
        database: The database, with `Access.CREATE`.

    Raises:
        SchemaMismatchError: Another program's database, or a newer schema. Nothing was changed.
        DatabaseUnavailableError: The database cannot be reached or written.
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


def require_ours(connection: Connection, name: str) -> bool:
    """Returns whether the database has tables. Raises SchemaMismatchError if they are another program's."""
    tables = inspect(connection).get_table_names()
    if tables and VERSION_TABLE not in tables:
        raise SchemaMismatchError(f"{name} holds another program's tables: use a separate database")
    return bool(tables)


def _newer(name: str) -> str:
    return f"{name} has the schema of a newer modelservice: use that version"


def _version(connection: Connection, name: str) -> str | None:
    if not require_ours(connection, name):
        return None
    version = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608  (a constant)
    if version is not None and version not in (*REVISIONS, _NEXT):
        raise SchemaMismatchError(_newer(name))
    return version
