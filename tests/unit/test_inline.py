"""Ready answers are given in gRPC's own thread, and nothing else is."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from modelservice.auth.issuer_keys import IssuerKeys
from modelservice.auth.token import TokenVerifier
from modelservice.domain.principal import MODELS_READ
from modelservice.manage.keys import create_key
from modelservice.manage.maintenance import migrate
from modelservice.manage.models import create_model
from modelservice.manage.organizations import create_organization
from modelservice.manage.system_catalogue import import_catalogue
from modelservice.rpc import boundary, rest_service
from modelservice.rpc.boundary import Boundary
from modelservice.rpc.message_deadline import MessageDeadline
from modelservice.rpc.rest_service import ORIGINAL_PATH, RestService
from modelservice.telemetry import LineBudget, make_log
from modelservice.telemetry.metrics import Metrics
from tests.support.in_process import Serving, serving
from tests.support.issuer import RULES, key_set, member, public, sign

MODELS = 5_000
LIST, MODEL = "/v1/models", "/v1/models/model-1"
OPENAI_LIST, OPENAI_MODEL = "/openai/v1/models", "/openai/v1/models/model-1"
# The server's threads are `call_…`.
POOL = "call"


class Threads(io.StringIO):
    """A log that notes which thread wrote the line of a call."""

    def __init__(self) -> None:
        super().__init__()
        self.of_calls: list[str] = []

    def write(self, text: str) -> int:
        if json.loads(text)["message"] == "call":
            self.of_calls.append(threading.current_thread().name)
        return len(text)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = f"sqlite:///{Path(tmp_path_factory.mktemp('inline')) / 'test.db'}"
    migrate(found)
    models = [{"name": f"model-{n}", "display_name": f"Model {n}", "provider": "p"} for n in range(MODELS)]
    import_catalogue(found, "test", models)
    create_organization(found, "test", "acme")
    create_model(found, "test", "acme", "model-1", {"name": "own", "display_name": "Own"}, prompt_quota=100)
    return found


@pytest.fixture(scope="module")
def key(url: str) -> str:
    return create_key(url, "test", "acme", scopes={MODELS_READ}).text


@pytest.fixture(scope="module")
def other_key(url: str) -> str:
    """The key of an organization without models of its own."""
    create_organization(url, "test", "beta")
    return create_key(url, "test", "beta", scopes={MODELS_READ}).text


@pytest.fixture(scope="module")
def verifier() -> TokenVerifier:
    keys = IssuerKeys(lambda: key_set(public("key-1")), ("RS256",), make_log(io.StringIO(), "error"))
    keys.refresh()
    return TokenVerifier(RULES, keys)


@pytest.fixture
def threads() -> Threads:
    return Threads()


@pytest.fixture
def running(url: str, verifier: TokenVerifier, threads: Threads) -> Iterator[Serving]:
    with serving(url, verifier, threads) as one:
        yield one


def pooled(threads: Threads) -> list[bool]:
    """Returns for each call so far whether the server's threads answered it."""
    return [name.startswith(POOL) for name in threads.of_calls]


def test_a_ready_answer_is_given_inline(running: Serving, threads: Threads, other_key: str) -> None:
    assert "model-1" == running.rest(MODEL, other_key)["modelName"]

    assert [False] == pooled(threads)


@pytest.mark.parametrize("path", [OPENAI_MODEL, "/v1/models/own"])
def test_what_must_be_rendered_first_is_inline_the_second_time(
    running: Serving, threads: Threads, key: str, path: str
) -> None:
    first, second = (running.rest(path, key) for _ in range(2))

    assert first == second
    assert [True, False] == pooled(threads)


def test_a_token_is_verified_in_the_pool_and_recalled_inline(running: Serving, threads: Threads) -> None:
    token = sign(member("acme"))
    for _ in range(2):
        running.rest(MODEL, token)

    assert [True, False] == pooled(threads)


POOLED = [LIST, OPENAI_LIST, LIST + "?q=model-17", LIST + "?limit=1", "/v1/models/" + "x" * 2_000]


@pytest.mark.parametrize("path", POOLED, ids=lambda path: path[:40])
def test_long_answers_queries_and_long_paths_go_to_the_pool(
    running: Serving, threads: Threads, key: str, path: str
) -> None:
    for _ in range(2):
        running.rest(path, key)

    assert [True, True] == pooled(threads)


@pytest.mark.parametrize(
    ("path", "credential", "code"),
    [(MODEL, "msk_unknown", "invalid_api_key"), ("/v1/models/none", None, "model_not_found")],
)
def test_a_refusal_that_takes_no_work_is_given_inline(
    running: Serving, threads: Threads, other_key: str, path: str, credential: str | None, code: str
) -> None:
    assert code == running.rest(path, credential or other_key)["error"]["code"]

    assert [False] == pooled(threads)


def test_nothing_inline_waits_for_the_cache(running: Serving, threads: Threads, key: str) -> None:
    running.rest("/v1/models/own", key)
    assert running.catalogue.snapshot
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(running.rest("/v1/models/own", key)))
    with running.catalogue.snapshot.rendered._lock:
        asking.start()
        # Others are answered meanwhile.
        assert "model-1" == running.rest(MODEL, key)["modelName"]
    asking.join()

    assert "Own" == answers[0]["displayName"]
    assert [True, False, True] == pooled(threads)


def test_callers_without_models_of_their_own_share_a_dialects_list(running: Serving, url: str, other_key: str) -> None:
    create_organization(url, "test", "gamma")
    third_key = create_key(url, "test", "gamma", scopes={MODELS_READ}).text
    running.settle()
    assert running.catalogue.snapshot
    before = len(running.catalogue.snapshot.rendered._items)
    for credential in (other_key, third_key):
        running.rest(OPENAI_LIST, credential)

    assert before + 1 == len(running.catalogue.snapshot.rendered._items)


def test_without_grpcs_attribute_the_answers_are_the_same(
    url: str, other_key: str, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmarked(handle: Callable[..., bytes]) -> Callable[..., bytes]:
        return handle

    monkeypatch.setattr(boundary, "run_inline", unmarked)
    with serving(url, lines=threads) as running:
        assert "model-1" == running.rest(MODEL, other_key)["modelName"]

    assert [True] == pooled(threads)


def test_an_exception_that_nobody_expects_is_an_internal_error(
    running: Serving, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(rest_service, "http_body", fail)

    assert "internal_error" == running.rest(MODEL, key)["error"]["code"]


def test_a_call_that_is_not_recorded_is_answered(
    url: str, other_key: str, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(Metrics, "counter", lambda *_: broken)
    with serving(url, lines=threads) as running:
        assert "model-1" == running.rest(MODEL, other_key)["modelName"]


def test_each_call_is_counted_once(url: str, other_key: str) -> None:
    metrics = Metrics("0")
    with serving(url, metrics=metrics) as running:
        for path in (MODEL, LIST):
            running.rest(path, other_key)

    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    counted = [one.value for one in samples if one.name == "modelservice_requests_total" and "Rest" in str(one.labels)]
    assert [1.0, 1.0] == [value for value in counted if value]


LONG = 30_000
# The longest of everything that Envoy lets through.
WORST = [
    LIST + "?max_cost_per_1k_tokens=" + "1" * LONG + "x",
    LIST + "?" + "&" * LONG,
    LIST + "?" + "_&" * (LONG // 2),
    "/v1/models/" + "%41" * (LONG // 3),
]
PATHS = [LIST, MODEL, "/v1/models/own", OPENAI_LIST, OPENAI_MODEL, LIST + "?q=model", *WORST]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_with_every_cache_cold_an_inline_step_takes_less_than_5_ms(
    running: Serving, verifier: TokenVerifier, key: str, path: str
) -> None:
    log = make_log(io.StringIO(), "info")
    deadline = MessageDeadline(1, log)
    try:
        # A token that no other test has shown.
        for credential in (key, sign(member("acme") | {"jti": path[:50]}), "msk_unknown"):
            # Nothing of an earlier call is left.
            service = RestService(running.catalogue, verifier, Boundary(deadline, log, Metrics("0"), LineBudget(0)))
            metadata = (("authorization", f"Bearer {credential}"), (ORIGINAL_PATH, path))
            details: Any = SimpleNamespace(
                method=f"/modelservice.rest.v1.RestService/{'GetModel' if 'models/' in path else 'ListModels'}",
                invocation_metadata=metadata,
            )
            begun = time.thread_time()
            handler: Any = service.service(details)
            # Only a handler that is marked runs inline.
            assert handler
            if hasattr(run := handler.stream_unary, "experimental_thread_pool"):
                run(iter(()), cast("grpc.ServicerContext", None))
            assert time.thread_time() - begun < 0.005
    finally:
        deadline.task.close()


def test_a_stopping_server_ends_while_ready_answers_are_asked_for(url: str, other_key: str) -> None:
    answered, ended = threading.Event(), threading.Event()

    def ask(running: Serving) -> None:
        with contextlib.suppress(grpc.RpcError, ValueError):
            while not ended.is_set():
                running.rest(MODEL, other_key)
                answered.set()

    with serving(url) as running:
        asking = threading.Thread(target=ask, args=(running,))
        asking.start()
        assert answered.wait(10)
    ended.set()
    asking.join(10)

    assert not asking.is_alive()
