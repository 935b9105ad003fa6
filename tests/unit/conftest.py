from __future__ import annotations

from pathlib import Path

import pytest

from modelservice.manage.maintenance import backup
from modelservice.manage.organizations import create_organization
from tests.support.backups import url_of
from tests.support.databases import migrated


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A migrated database, with nothing in it."""
    return migrated(tmp_path / "test.db")


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A database with the organization `before`."""
    folder = tmp_path / "live"
    folder.mkdir()
    path = folder / "live.db"
    migrated(path)
    create_organization(url_of(path), "test", "before")
    return path


@pytest.fixture
def copy(live: Path, tmp_path: Path) -> Path:
    """Its backup."""
    path = tmp_path / "copy.db"
    backup(url_of(live), path)
    return path
