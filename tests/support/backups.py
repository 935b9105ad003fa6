"""Databases as files: their backups, and how they are damaged."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from modelservice.manage.organizations import list_organizations
from modelservice.store.access import Access
from modelservice.store.changes import Changes, Revision, read_changes
from modelservice.store.database import Database


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def organizations(path: Path) -> list[str]:
    return [organization.id for organization in list_organizations(url_of(path))]


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def script(path: Path, text: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(text)
    return path


def damage(path: Path) -> None:
    """Overwrites a file with what is no database, and leaves what lies beside it."""
    path.write_bytes(b"no database " * 1_000)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Makes SQLite say that the disk is full: by a bound that each connection has for itself."""
    connect = sqlite3.connect

    def small(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sqlite3.connect", small)
        yield


def changes(url: str, held: Revision | None = None) -> Changes:
    read = read_changes(Database(url, Access.READ), held)
    assert read is not None
    return read


FOREIGN = "CREATE TABLE customers (id INTEGER); INSERT INTO customers VALUES (1);"
NEWER = "CREATE TABLE modelservice_schema (version_num TEXT); INSERT INTO modelservice_schema VALUES ('9999');"
