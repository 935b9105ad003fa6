"""The OpenAI SDK and `@cloakrai/sdk` in a real browser: pages of origins that are set may ask, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.asking import JAVASCRIPT
from tests.support.browser import Pages
from tests.support.documents import TABLES
from tests.support.service import Service, Services

pytestmark = pytest.mark.slow

IDS = [row[0] for row in TABLES]
# Two names of the same page, and therefore two origins.
ALLOWED, OTHER = "127.0.0.1", "localhost"
OPENAI = """
    const { OpenAI } = await import('openai');
    const options = { maxRetries: 0, dangerouslyAllowBrowser: true };
    const client = new OpenAI({ baseURL: 'http://HTTP/openai/v1', apiKey: 'KEY', ...options });
"""
OPENAI_ON_THE_BARE_PATH = OPENAI.replace("/openai/v1", "/v1")
CLOAKR = """
    const { CloakrClient } = await import('@cloakrai/sdk');
    const client = new CloakrClient({ baseUrl: 'http://HTTP', apiKey: 'KEY', maxRetries: 0 });
"""
each_sdk = pytest.mark.parametrize(
    ("client", "calls"),
    [
        (
            OPENAI,
            """
            const ids = [];
            for await (const model of client.models.list()) ids.push(model.id);
            return [ids, (await client.models.retrieve('gpt-4o')).id];
            """,
        ),
        (
            OPENAI_ON_THE_BARE_PATH,
            """
            const ids = (await client.models.list()).data.map((model) => model.id);
            return [ids, (await client.models.retrieve('gpt-4o')).modelName];
            """,
        ),
        (
            CLOAKR,
            # The second list sends an entity tag.
            """
            await client.models();
            const ids = (await client.models()).data.map((model) => model.id);
            return [ids, (await client.model('gpt-4o')).modelName];
            """,
        ),
    ],
    ids=["openai", "openai on the bare path", "cloakrai"],
)
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def pages(npm_packages: Path) -> Iterator[Pages]:
    pages = Pages({"openai": npm_packages / "openai/index.mjs", "@cloakrai/sdk": JAVASCRIPT / "index.js"})
    with pages.serving():
        yield pages


@pytest.fixture(scope="module")
def open_(services: Services, pages: Pages) -> Service:
    """A service that pages of one origin may call."""
    return services.of(MODELSERVICE_CORS_ORIGINS=pages.origin(ALLOWED))


@pytest.fixture
def run(open_: Service, pages: Pages, tmp_path: Path) -> Run:
    """Runs a script in a page of an origin."""

    def run(script: str, host: str, key: str = "") -> Any:
        script = script.replace("HTTP", open_.place.http).replace("KEY", key or open_.keys.reader)
        return pages.run(script, host, tmp_path)

    return run


@each_sdk
def test_pages_of_an_origin_that_is_set_list_and_retrieve_models(run: Run, client: str, calls: str) -> None:
    assert [IDS, "gpt-4o"] == run(client + calls, ALLOWED)


@each_sdk
def test_the_browser_blocks_other_pages(run: Run, client: str, calls: str) -> None:
    errors = {"APIConnectionError", "CloakrConnectionError"}

    assert run(client + calls, OTHER)["error"] in errors


@pytest.mark.parametrize(
    ("client", "call"),
    [(OPENAI, "client.models.retrieve('gpt-9')"), (CLOAKR, "client.model('gpt-9')")],
    ids=["openai", "cloakrai"],
)
def test_pages_can_read_refusals_and_request_ids(run: Run, client: str, call: str) -> None:
    script = f"const error = await {call}.catch((error) => error); return [error.constructor.name, error.code"

    name, code, request_id = run(f"{client} {script}, error.requestID ?? error.requestId];", ALLOWED)

    assert ("NotFoundError", "model_not_found") == (name, code)
    assert request_id
