"""The same tests for every database that can hold the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import migrated
from tests.support.postgres import VERSIONS, Cluster


@pytest.fixture(params=["sqlite", *(f"postgres {version}" for version in VERSIONS)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database, with nothing in it."""
    if request.param == "sqlite":
        return migrated(tmp_path / "test.db")
    cluster: Cluster = request.getfixturevalue(request.param.replace(" ", "_"))
    return cluster.database()
