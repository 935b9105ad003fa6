"""What the three clients do about servers that are busy, broken, newer or hostile. Each claim holds for all of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.asking import Ask, Call
from tests.clients.scripted import BUSY, CLOSED, DOWN, KEY, MODEL, ONE, Reply, Scripted, listed, refused
from tests.support.ports import free_ports


@pytest.mark.parametrize("failure", [BUSY, DOWN, CLOSED, Reply(503, b"<html>")], ids=["429", "503", "closed", "HTML"])
def test_it_tries_again(scripted: Scripted, ask: Ask, failure: Reply) -> None:
    server = scripted(failure, ONE)

    assert {"ids": ["one"]} == ask(server.url, KEY, {}).only
    assert 2 == len(server.requests)


@pytest.mark.parametrize(
    ("failure", "error"),
    [(BUSY, "RateLimitError"), (DOWN, "ServiceUnavailableError"), (CLOSED, "CloakrConnectionError")],
    ids=["429", "503", "closed"],
)
@pytest.mark.parametrize("retries", [0, 1])
def test_it_gives_up_after_the_last_retry(
    scripted: Scripted, ask: Ask, failure: Reply, error: str, retries: int
) -> None:
    server = scripted(failure)

    assert error == ask(server.url, KEY, {}, max_retries=retries).only["error"]
    assert 1 + retries == len(server.requests)


def test_it_tries_three_times_again_unless_told_otherwise(scripted: Scripted, ask: Ask) -> None:
    server = scripted(DOWN, BUSY, CLOSED, ONE)

    assert {"ids": ["one"]} == ask(server.url, KEY, {}).only


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400, refused("invalid_request")), "InvalidRequestError"),
        (Reply(413, refused("request_too_large")), "InvalidRequestError"),
        (Reply(401, refused("invalid_api_key")), "AuthenticationError"),
        (Reply(500, refused("internal_error")), "ServerError"),
        (Reply(502, b"<html>"), "ServerError"),
        (Reply(504, refused("timeout")), "CloakrTimeoutError"),
        (Reply(200, b"<html>"), "InvalidResponseError"),
        (Reply(200, b"null"), "InvalidResponseError"),
        (Reply(200, {"data": None}), "InvalidResponseError"),
        (Reply(400, {"error": "text"}), "InvalidRequestError"),
        (Reply(400, b"[]"), "InvalidRequestError"),
    ],
)
def test_other_failures_are_final(scripted: Scripted, ask: Ask, reply: Reply, error: str) -> None:
    server = scripted(reply)

    only = ask(server.url, KEY, {}).only

    assert (error, reply.status) == (only["error"], only.get("status", 200))
    assert 1 == len(server.requests)


def test_it_waits_as_long_as_retry_after_says(scripted: Scripted, ask: Ask) -> None:
    server = scripted(Reply(429, refused("rate_limited"), {"retry-after": "1"}), ONE)

    assert {"ids": ["one"]} == ask(server.url, KEY, {}).only
    assert server.requests[1].at - server.requests[0].at >= 1


@pytest.mark.parametrize("after", ["31", "3600", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_it_does_not_wait_for_a_long_retry_after(scripted: Scripted, ask: Ask, after: str) -> None:
    server = scripted(Reply(503, refused("unavailable"), {"retry-after": after}))

    only = ask(server.url, KEY, {}).only

    assert "ServiceUnavailableError" == only["error"]
    assert only["retry_after"] > 30
    assert 1 == len(server.requests)


@pytest.mark.parametrize(
    "after", ["soon", "-1", "Fri, 01 Jan 2010 00:00:00 GMT", "Fri, 01 Jan 2010 00:00:00 -0000", ""]
)
def test_a_retry_after_that_means_nothing_does_not_stop_it(scripted: Scripted, ask: Ask, after: str) -> None:
    server = scripted(Reply(503, refused("unavailable"), {"retry-after": after}), ONE)

    assert {"ids": ["one"]} == ask(server.url, KEY, {}).only


def test_a_server_that_stalls_times_out_and_is_not_asked_again(scripted: Scripted, ask: Ask) -> None:
    server = scripted(Reply(stall=True))

    assert "CloakrTimeoutError" == ask(server.url, KEY, {}, timeout=0.3).only["error"]
    assert 1 == len(server.requests)


def test_a_port_that_nobody_listens_on_is_a_connection_error(ask: Ask) -> None:
    (port,) = free_ports(1)

    assert "CloakrConnectionError" == ask(f"http://127.0.0.1:{port}", KEY, {}, max_retries=1).only["error"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_it_follows_no_redirect(scripted: Scripted, ask: Ask, status: int) -> None:
    elsewhere = scripted(ONE)
    server = scripted(Reply(status, b"", {"location": f"{elsewhere.url}/v1/models"}))

    assert "InvalidResponseError" == ask(server.url, KEY, {}).only["error"]
    assert [] == elsewhere.requests


def test_pages_are_asked_for_with_the_same_filters(scripted: Scripted, ask: Ask) -> None:
    server = scripted(Reply(200, listed("one") | {"next_page_token": "a-_b"}), Reply(200, listed("two")))

    assert {"ids": ["one", "two"]} == ask(server.url, KEY, {"q": "a & b", "page_size": 1}).only
    assert ["/v1/models?q=a+%26+b&page_size=1", "/v1/models?q=a+%26+b&page_size=1&page_token=a-_b"] == [
        request.target for request in server.requests
    ]


def test_pages_that_would_never_end_are_an_error(scripted: Scripted, ask: Ask) -> None:
    server = scripted(Reply(200, listed("one") | {"next_page_token": "again"}))

    assert "InvalidResponseError" == ask(server.url, KEY, {}).only["error"]
    assert 2 == len(server.requests)


@pytest.mark.parametrize(
    ("call", "body", "outcome"),
    [
        ({}, {**listed("one"), "invented": 1}, {"ids": ["one"]}),
        ({}, {"data": [{**listed("one")["data"][0], "cloakr_metadata": {"invented": {}}}]}, {"ids": ["one"]}),
        ({"model": "one"}, {**MODEL, "invented": [1]}, {"model": "one", "extra": [1]}),
    ],
)
def test_a_newer_server_breaks_nothing(
    scripted: Scripted, ask: Ask, call: Call, body: dict[str, Any], outcome: dict[str, Any]
) -> None:
    assert outcome == ask(scripted(Reply(200, body)).url, KEY, call).only


def test_another_credential_gets_nothing_that_was_kept(scripted: Scripted, ask: Ask) -> None:
    server = scripted(Reply(200, listed("one"), {"etag": 'W/"1"'}))

    asked = ask(server.url, ["msk_first", "msk_second"], {}, {}, {})

    assert [200, 200, 304] == asked.statuses
    assert ["Bearer msk_first", "Bearer msk_second", "Bearer msk_second"] == [
        request.headers["authorization"] for request in server.requests
    ]


def test_the_oldest_results_are_forgotten(scripted: Scripted, ask: Ask) -> None:
    server = scripted(Reply(200, MODEL, {"etag": 'W/"1"'}))
    others = [{"model": f"model-{number}"} for number in range(128)]

    asked = ask(server.url, KEY, others[0], others[0], *others[1:], {"model": "another"}, others[0], others[-1])

    assert [200, 304, *[200] * 128, 200, 304] == asked.statuses


def test_large_results_make_room(scripted: Scripted, ask: Ask) -> None:
    text = "x" * (6 << 20)
    server = scripted(Reply(200, {**MODEL, "description": text}, {"etag": 'W/"1"'}))
    first, second, third = ({"model": one} for one in ("first", "second", "third"))

    asked = ask(server.url, KEY, first, first, second, third, first)

    assert [200, 304, 200, 200, 200] == asked.statuses


def test_a_result_too_large_to_keep_is_returned(scripted: Scripted, ask: Ask) -> None:
    server = scripted(Reply(200, {**MODEL, "description": "x" * (17 << 20)}, {"etag": 'W/"1"'}))

    assert [200, 200] == ask(server.url, KEY, *[{"model": "one"}] * 2).statuses


@pytest.mark.parametrize("model_id", ["", ".", ".."])
def test_an_id_that_would_change_the_path_is_not_sent(scripted: Scripted, ask: Ask, model_id: str) -> None:
    server = scripted(ONE)

    assert "InvalidRequestError" == ask(server.url, KEY, {"model": model_id}).only["error"]
    assert [] == server.requests


@pytest.mark.parametrize(
    "reply",
    [ONE, DOWN, CLOSED, Reply(401, refused("x", f"no: Bearer {KEY}")), Reply(200, b"{"), Reply(302, b"")],
    ids=["answered", "503", "closed", "echoed", "malformed", "redirect"],
)
def test_the_key_is_never_shown(scripted: Scripted, ask: Ask, reply: Reply) -> None:
    asked = ask(scripted(reply).url, KEY, {}, max_retries=1)

    assert KEY not in asked.shown
    assert KEY not in str(asked.outcomes)
    assert "CloakrClient" in asked.shown


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY} "])
def test_a_key_read_from_a_file_works(scripted: Scripted, ask: Ask, key: str) -> None:
    server = scripted(ONE)

    assert {"ids": ["one"]} == ask(server.url, key, {}).only
    assert f"Bearer {KEY}" == server.requests[0].headers["authorization"]


@pytest.mark.parametrize(
    ("base_url", "key", "message"),
    [
        (None, KEY, ": not set: pass "),
        ("", KEY, ": not set: pass "),
        ("http://127.0.0.1:1", "", ": not set: pass "),
        ("http://127.0.0.1:1", "msk secret", ": invalid: must be printable ASCII"),
        ("http://127.0.0.1:1", "msk\r\nsecret", ": invalid: must be printable ASCII"),
        ("http://127.0.0.1:1", "msk_sécret", ": invalid: must be printable ASCII"),
        ("ftp://127.0.0.1", KEY, ": invalid: must be http(s)://"),
        ("127.0.0.1:8080", KEY, ": invalid: must be http(s)://"),
        ("http://user:secret@127.0.0.1", KEY, ": invalid: must be http(s)://"),
        ("http://127.0.0.1?x=secret", KEY, ": invalid: must be http(s)://"),
        ("http://127.0.0.1/#", KEY, ": invalid: must be http(s)://"),
        ("http://127.0.0.1/?", KEY, ": invalid: must be http(s)://"),
        ("http://127.0.0.1:99999", KEY, ": invalid: must be http(s)://"),
        ("http://[::1", KEY, ": invalid: must be http(s)://"),
    ],
)
def test_a_wrong_configuration_is_refused_without_showing_it(
    ask: Ask, base_url: str | None, key: str, message: str
) -> None:
    asked = ask(base_url, key, {})

    assert "ConfigurationError" == asked.only["error"]
    assert message in asked.only["message"]
    assert "secret" not in asked.only["message"]
