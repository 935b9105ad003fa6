from __future__ import annotations

import resource
from collections.abc import Callable, Iterator

import pytest

from tests.hostile.limiting import Many, prepare_many
from tests.support.harness import Place, Process


@pytest.fixture(scope="package")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    """A service with a long list, whose Envoy has little memory, and keys of two organizations."""
    place = Place(tmp_path_factory.mktemp("many"), {"MODELSERVICE_ENVOY_MEMORY_MAX": "256"})
    first, second = prepare_many(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield place, process, first, second


@pytest.fixture
def many_files() -> Iterator[None]:
    """Lets this process open as many files as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Shows a figure to whoever runs the tests: what is measured, and depends on the machine."""
    writer = request.config.get_terminal_writer()
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            writer.line(f"\n{request.node.name}: {text}")

    return line
