"""Migrated SQLite databases: the migrations run once, and every test gets a copy."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from modelservice.manage.maintenance import migrate


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
