"""What is Python's own: results, types, threads."""

from __future__ import annotations

import copy
import dataclasses
import logging
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

import cloakrai
from tests.clients.scripted import DOWN, KEY, MODEL, ONE, Reply, Scripted, listed, refused
from tests.support.documents import EXAMPLE
from tests.support.harness import ROOT

USAGE = """\
import asyncio
from datetime import datetime

from cloakrai import AsyncCloakrClient, CloakrClient, CloakrError, ListedModel, Model, ModelFilters, ModelList

filters: ModelFilters = {"capability": ["reasoning"], "order_by": "created desc"}
with CloakrClient("key", "http://127.0.0.1:1", timeout=1.0) as client:
    models: ModelList = client.models(**filters)
    same: bool = models == client.models(capability="reasoning", min_context_window=1, encryption_supported=True)
    first: ListedModel = models[0]
    some: tuple[ListedModel, ...] = models[1:]
    cost: float | None = first.cloakr_metadata.cost_per_1k_tokens
    model: Model = client.model(first.id)
    created: datetime = model.created_at


async def main() -> ModelList:
    async with AsyncCloakrClient(api_key=lambda: "key") as client:
        try:
            return await client.models(q="turbo")
        except CloakrError as error:
            status: int | None = error.status
            raise SystemExit(status) from error


asyncio.run(main())
"""


def client(url: str) -> cloakrai.CloakrClient:
    return cloakrai.CloakrClient(KEY, url)


def test_the_documented_example_is_read_whole(scripted: Scripted) -> None:
    with client(scripted(Reply(200, EXAMPLE)).url) as one:
        first = one.models()[0]

    assert EXAMPLE["data"][0]["permission"][0]["id"] == first.permission[0].id
    assert ("text-generation", "code-generation", "reasoning", "multimodal") == first.cloakr_metadata.capabilities
    assert (128_000, 0.03) == (first.cloakr_metadata.context_window, first.cloakr_metadata.cost_per_1k_tokens)
    assert {} == first.extra


def test_a_model_is_read_whole(scripted: Scripted) -> None:
    with client(scripted(Reply(200, MODEL)).url) as one:
        model = one.model("one")

    assert datetime(2025, 9, 8, 6, 33, 19, tzinfo=UTC) == model.created_at
    assert (None, False, {}) == (model.description, model.supports_tools, model.extra)


def test_what_is_required_must_be_there(scripted: Scripted) -> None:
    members = {name: value for name, value in MODEL.items() if name != "displayName"}

    with (
        client(scripted(Reply(200, members, {"x-request-id": "r"})).url) as one,
        pytest.raises(cloakrai.InvalidResponseError, match=r"display_name.*\(200, request id r\)"),
    ):
        one.model("one")


def test_results_are_values(scripted: Scripted) -> None:
    with client(scripted(Reply(200, EXAMPLE)).url) as one:
        models = one.models()

    assert models == copy.deepcopy(models) == pickle.loads(pickle.dumps(models))  # noqa: S301
    assert 1 == len({models, copy.copy(models)})
    with pytest.raises(dataclasses.FrozenInstanceError):
        models[0].id = "other"  # type: ignore[misc]


def test_a_result_that_is_changed_does_not_change_the_next(scripted: Scripted) -> None:
    with client(scripted(Reply(200, {**MODEL, "metadata": {"a": 1}}, {"etag": '"1"'})).url) as one:
        one.model("one").metadata.clear()

        assert {"a": 1} == one.model("one").metadata
        assert hash(one.model("one")) == hash(one.model("one"))


def test_an_empty_list_prints(scripted: Scripted) -> None:
    with client(scripted(Reply(200, listed())).url) as one:
        assert "id  owned by  context  $ per 1K  capabilities" == str(one.models())


def test_errors_survive_pickling(scripted: Scripted) -> None:
    server = scripted(Reply(404, refused("model_not_found"), {"x-request-id": "r"}))
    with client(server.url) as one, pytest.raises(cloakrai.NotFoundError) as raised:
        one.model("one")

    again = pickle.loads(pickle.dumps(raised.value))  # noqa: S301
    assert "Something is wrong (404, model_not_found, request id r)" == str(raised.value) == str(again)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (cloakrai.CloakrTimeoutError, TimeoutError),
        (cloakrai.CloakrConnectionError, ConnectionError),
        (cloakrai.ConfigurationError, ValueError),
    ],
)
def test_errors_are_also_pythons_own(error: type[cloakrai.CloakrError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin, match=r"^text$"):
        raise error("text")


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("http://v1", "http://v1"),
        ("https://[::1]:8443/v1/", "https://[::1]:8443"),
        (" https://gateway.example/models%20api/v1\n", "https://gateway.example/models%20api"),
    ],
)
def test_the_base_url_is_the_root(given: str, root: str) -> None:
    with client(given) as one:
        assert f"CloakrClient(base_url='{root}')" == repr(one)


def test_it_sends_the_documented_headers_and_its_name(scripted: Scripted) -> None:
    server = scripted(ONE)

    with client(server.url) as one:
        one.models()

    headers = server.requests[0].headers
    assert "application/json" == headers["content-type"]
    assert f"cloakrai/{cloakrai.__version__}" == headers["user-agent"]


def test_an_unknown_filter_is_refused_by_name() -> None:
    with client("http://127.0.0.1:1") as one, pytest.raises(TypeError, match="'capabilities'"):
        one.models(capabilities="reasoning")  # type: ignore[call-arg]


def test_retries_are_logged(scripted: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    with client(scripted(DOWN, ONE).url) as one, caplog.at_level(logging.INFO, "cloakrai"):
        one.models()

    (record,) = [record for record in caplog.records if record.name == "cloakrai"]
    assert record.getMessage().startswith("retry 1 of 3 in 0.")
    assert "503, unavailable" in record.getMessage()


def test_threads_may_share_a_client(scripted: Scripted) -> None:
    server = scripted(Reply(200, listed("one"), {"etag": '"1"'}))

    with client(server.url) as one, ThreadPoolExecutor(8) as pool:
        results = set(pool.map(lambda number: one.models(q=str(number % 3)), range(64)))

    assert 1 == len(results)
    assert len([request for request in server.requests if "if-none-match" in request.headers]) > 32


def test_it_closes_only_its_own_connections(scripted: Scripted) -> None:
    with client(scripted(ONE).url) as one:
        one.models()

    with pytest.raises(RuntimeError, match="closed"):
        one.models()


def test_package_and_use_are_typed(tmp_path: Path) -> None:
    usage = tmp_path / "usage.py"
    usage.write_text(USAGE)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}"]
    done = subprocess.run(
        # But for generated code.
        [*mypy, "--exclude=/v1/", str(ROOT / "src/cloakrai/cloakrai"), str(usage)],
        env=os.environ | {"MYPYPATH": str(ROOT / "src/cloakrai")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Success: no issues found in 6 source files\n" == done.stdout


@pytest.mark.parametrize(
    ("program", "unloaded"),
    [("import cloakrai.v1.model_service_pb2_grpc", "httpx"), ("from cloakrai import *; CloakrClient", "grpc")],
)
def test_neither_half_of_the_package_loads_what_the_other_needs(program: str, unloaded: str) -> None:
    check = f"import sys; {program}; print('{unloaded}' in sys.modules)"

    assert "False\n" == subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout


def test_the_package_has_every_name_that_it_declares() -> None:
    assert [] == [name for name in cloakrai.__all__ if not hasattr(cloakrai, name) or name not in dir(cloakrai)]
    assert not hasattr(cloakrai, "Nothing")
