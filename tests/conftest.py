from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.harness import Place
from tests.support.npm import installed_packages
from tests.support.postgres import Cluster
from tests.support.service import Service, Services

# No test asserts a duration: other tests run at the same time.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty place of the test's own."""
    return Place(tmp_path)


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Running services by their settings, for all tests that only read."""
    with Services(tmp_path_factory.mktemp) as all_:
        yield all_


@pytest.fixture(scope="session")
def service(services: Services) -> Service:
    """The one with the settings that most tests need."""
    return services.of(MODELSERVICE_REFLECTION="true")


@pytest.fixture(scope="session")
def postgres_16() -> Iterator[Cluster]:
    """A Postgres for all tests that make databases of their own in it."""
    with Cluster("16") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres_18() -> Iterator[Cluster]:
    """The same, of the newest version."""
    with Cluster("18") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def npm_packages() -> Path:
    """The folder of packages from npm, for slow tests."""
    return installed_packages()
