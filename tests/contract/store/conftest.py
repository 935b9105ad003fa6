"""The same tests for every database that can hold the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.support.databases import migrated
from tests.support.postgres import VERSIONS, Cluster

# Postgres in `make test`. The tests of the other versions are slow ones.
_USUAL: Final = "18"
# Files about what hardly depends on the database: on Postgres, their tests are slow ones, too.
_ALIKE: Final = {
    f"test_{name}.py"
    for name in (
        *("merging", "withdrawal", "deletion", "history", "revert", "exports", "plan"),
        *("models", "quarantine", "checking"),
    )
}


@pytest.fixture(params=["sqlite", *(f"postgres {version}" for version in VERSIONS)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database, with nothing in it."""
    if request.param == "sqlite":
        return migrated(tmp_path / "test.db")
    cluster: Cluster = request.getfixturevalue(request.param.replace(" ", "_"))
    return cluster.database()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent != Path(__file__).parent or "postgres " not in item.name:
            continue
        if f"postgres {_USUAL}" not in item.name or item.path.name in _ALIKE:
            item.add_marker(pytest.mark.slow)
