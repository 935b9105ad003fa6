from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.asking import Ask, JavaScript, ask_python, ask_python_async
from tests.clients.scripted import Scripted, ScriptedServer
from tests.support.npm import NODE, node_18


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the shell that runs the tests are not the tests' settings."""
    monkeypatch.delenv("CLOAKR_API_KEY", raising=False)
    monkeypatch.delenv("CLOAKR_BASE_URL", raising=False)


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> JavaScript:
    """Node with the SDK of this repository."""
    return JavaScript(tmp_path_factory.mktemp("javascript"), NODE)


@pytest.fixture(scope="session")
def javascript_18(tmp_path_factory: pytest.TempPathFactory, npm_packages: Path) -> JavaScript:
    """The same with the oldest Node that the SDK supports."""
    return JavaScript(tmp_path_factory.mktemp("javascript-18"), node_18(npm_packages))


@pytest.fixture(params=["python", "python async", "javascript", pytest.param("javascript_18", marks=pytest.mark.slow)])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Each client in turn."""
    if request.param.startswith("javascript"):
        javascript: JavaScript = request.getfixturevalue(request.param)
        return javascript.ask
    return {"python": ask_python, "python async": ask_python_async}[request.param]


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Starts servers that answer what the test says."""
    with ExitStack() as stack:
        yield lambda *replies: stack.enter_context(ScriptedServer(replies))
