"""Migrated SQLite databases, of which every test gets a copy, and what is in the rows of any database."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from sqlalchemy import select

from modelservice.manage.maintenance import migrate
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.tables import metadata


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "migrated.db"
        migrate(f"sqlite:///{path}")
        return path.read_bytes()


def migrated(path: Path) -> str:
    """Makes a database with this version's schema and nothing in it. Returns its URL."""
    path.touch(0o600)
    path.write_bytes(_migrated())
    return f"sqlite:///{path}"


def holders(url: str, text: str) -> set[str]:
    """Returns the tables that have a text in some row, old ones too."""
    with Database(url, Access.READ).transaction() as connection:
        return {
            table.name
            for table in metadata.sorted_tables
            if any(text in str(value) for row in connection.execute(select(table)) for value in row)
        }
