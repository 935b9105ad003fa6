"""The three clients against a running service. Each claim holds for all of them."""

from __future__ import annotations

import pytest

from tests.clients.asking import Ask, Call
from tests.support.documents import TABLES
from tests.support.harness import wait_until
from tests.support.service import Service

IDS = [row[0] for row in TABLES]


def url(service: Service) -> str:
    return f"http://{service.place.http}"


def test_it_lists_the_models(service: Service, ask: Ask) -> None:
    assert [{"ids": IDS}] == ask(url(service), service.keys.reader, {}).outcomes


@pytest.mark.parametrize("ending", ["/", "/v1", "/v1/"])
def test_the_base_url_may_end_like_this(service: Service, ask: Ask, ending: str) -> None:
    assert {"ids": IDS} == ask(url(service) + ending, service.keys.reader, {}).only


def test_it_follows_all_pages(service: Service, ask: Ask) -> None:
    asked = ask(url(service), service.keys.reader, {"page_size": 3})

    assert {"ids": IDS} == asked.only
    assert [200] * 4 == asked.statuses


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"capability": "multimodal"}, ["gpt-4o"]),
        ({"capability": ["reasoning", "multimodal"]}, ["gpt-4o"]),
        ({"compliance": ["soc2", "hipaa"], "owned_by": ["openai"]}, ["gpt-4o"]),
        ({"owned_by": "anthropic", "order_by": "id desc"}, ["claude-3-sonnet", "claude-3-opus", "claude-3-haiku"]),
        ({"min_context_window": 256_000}, ["cloakr-enterprise"]),
        ({"max_cost_per_1k_tokens": 0.0025, "owned_by": "openai"}, ["gpt-3.5-turbo"]),
        ({"encryption_supported": False}, []),
        ({"pii_redaction_supported": True, "q": "opus"}, ["claude-3-opus"]),
        ({"q": None, "capability": [], "owned_by": "openai", "page_size": 1}, IDS[:4]),
    ],
)
def test_filters_select(service: Service, ask: Ask, filters: Call, ids: list[str]) -> None:
    assert {"ids": ids} == ask(url(service), service.keys.reader, filters).only


def test_it_gets_a_model(service: Service, ask: Ask) -> None:
    assert {"model": "gpt-4o"} == ask(url(service), service.keys.reader, {"model": "gpt-4o"}).only


@pytest.mark.parametrize("model_id", ["openai/gpt-4o", "a/b:c@d", "gpt-9"])
def test_an_id_reaches_the_service_whole(service: Service, ask: Ask, model_id: str) -> None:
    only = ask(url(service), service.keys.reader, {"model": model_id}).only

    assert f"The model '{model_id}' does not exist" == only["message"]


@pytest.mark.parametrize("model_id", ["../../healthz", "gpt 4?", "%2e%2e", "é#"])
def test_an_id_cannot_leave_its_path(service: Service, ask: Ask, model_id: str) -> None:
    only = ask(url(service), service.keys.reader, {"model": model_id}).only

    assert ("InvalidRequestError", "invalid_request") == (only["error"], only["code"])
    assert only["message"].startswith("model_id: ")


@pytest.mark.parametrize(
    ("key", "call", "error", "status", "code", "kind"),
    [
        ("wrong", {}, "AuthenticationError", 401, "invalid_api_key", "authentication_error"),
        ("without_scope", {}, "PermissionDeniedError", 403, "access_denied", "permission_error"),
        ("reader", {"model": "gpt-9"}, "NotFoundError", 404, "model_not_found", "not_found_error"),
        ("reader", {"page_size": -1}, "InvalidRequestError", 400, "invalid_request", "invalid_request_error"),
    ],
)
def test_refusals_are_typed_errors_with_a_request_id_that_is_logged(
    service: Service, ask: Ask, key: str, call: Call, error: str, status: int, code: str, kind: str
) -> None:
    only = ask(url(service), getattr(service.keys, key, "wrong"), call).only

    assert (error, True, status, code, kind) == (
        only["error"],
        only["base"],
        only["status"],
        only["code"],
        only["type"],
    )
    wait_until(lambda: only["request_id"] in service.process.log, "the request id in the log")


@pytest.mark.parametrize("call", [{}, {"capability": "reasoning"}, {"model": "gpt-4o"}])
def test_a_repeated_call_costs_a_304(service: Service, ask: Ask, call: Call) -> None:
    asked = ask(url(service), service.keys.reader, call, call)

    assert [200, 304] == asked.statuses
    assert asked.outcomes[0] == asked.outcomes[1]


def test_repeated_pages_cost_304s(service: Service, ask: Ask) -> None:
    asked = ask(url(service), service.keys.reader, *[{"page_size": 5}] * 2)

    assert [200, 200, 304, 304] == asked.statuses
    assert [{"ids": IDS}] * 2 == asked.outcomes
