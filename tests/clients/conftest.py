from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.clients.asking import Ask, JavaScript, ask_python, ask_python_async
from tests.clients.scripted import Scripted, ScriptedServer
from tests.support.npm import NODE


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the shell that runs the tests are not the tests' settings."""
    monkeypatch.delenv("CLOAKR_API_KEY", raising=False)
    monkeypatch.delenv("CLOAKR_BASE_URL", raising=False)


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> JavaScript:
    """Node with the SDK of this repository."""
    return JavaScript(tmp_path_factory.mktemp("javascript"), NODE)


@pytest.fixture(params=["python", "python async", "javascript"])
def ask(request: pytest.FixtureRequest, javascript: JavaScript) -> Ask:
    """Each client in turn."""
    return {"python": ask_python, "python async": ask_python_async, "javascript": javascript.ask}[request.param]


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Starts servers that answer what the test says."""
    with ExitStack() as stack:
        yield lambda *replies: stack.enter_context(ScriptedServer(replies))
