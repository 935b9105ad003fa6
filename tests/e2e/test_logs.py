"""What is in the log, of the server and of Envoy."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from hyperframe.frame import HeadersFrame

from modelservice.domain.principal import MODELS_READ
from modelservice.manage.keys import create_key
from tests.hostile.http2 import END_HEADERS, END_STREAM, Wire, block, frame
from tests.support.calls import LIST, Metadata, bearer
from tests.support.harness import Place, Process, channel, statistic, unary, wait_until
from tests.support.service import Service, prepare

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def logged(process: Process, request_id: str) -> dict[str, dict[str, Any]]:
    """Returns the server's line and Envoy's about a request, once both are there."""

    def found() -> dict[str, dict[str, Any]]:
        lines = [json.loads(line) for line in process.log.splitlines() if request_id in line]
        return {line["message"]: line for line in lines}

    wait_until(lambda: {"call", "access"} == found().keys(), f"two lines about {request_id}")
    return found()


def test_a_rest_request_is_logged_with_its_trace_by_both(service: Service) -> None:
    headers = {"x-request-id": "traced-1", "traceparent": TRACEPARENT}
    assert 200 == service.place.rest("/v1/models", service.keys.reader, headers=headers).status

    lines = logged(service.process, "traced-1")
    assert (TRACE, TRACEPARENT) == (lines["call"]["trace_id"], lines["access"]["traceparent"])


def test_a_grpc_call_through_envoy_is_so_too(service: Service) -> None:
    traced: Metadata = (("x-request-id", "traced-2"), ("traceparent", TRACEPARENT))
    with channel(service.place.http) as one:
        assert unary(one, LIST)(b"", metadata=(*bearer(service.keys.reader), *traced))

    lines = logged(service.process, "traced-2")
    assert (TRACE, TRACEPARENT) == (lines["call"]["trace_id"], lines["access"]["traceparent"])


def test_whatever_a_client_sends_is_logged_up_to_a_length(service: Service) -> None:
    request_id = "long-" + "x" * 5000
    headers = {"x-request-id": request_id, "traceparent": "x" * 5000, "user-agent": "\xff" * 5000}
    answer = service.place.rest(f"/v1/models/{'x' * 5000}", service.keys.reader, headers=headers)

    lines = logged(service.process, "long-x")
    assert [request_id[:128]] * 3 == [
        answer.headers["x-request-id"],
        *(lines[message]["request_id"] for message in ("call", "access")),
    ]
    assert "trace_id" not in lines["call"]
    assert {"path": 512, "traceparent": 55, "user_agent": 256} == {
        name: len(lines["access"][name]) for name in ("path", "traceparent", "user_agent")
    }


def test_envoy_logs_a_method_up_to_a_length(service: Service) -> None:
    # Over HTTP/1.1 only those that there are.
    headers = (("method", "M" * 5000), ("scheme", "http"), ("authority", "a"), ("path", "/v1/models"))
    request = block([*((f":{name}", value) for name, value in headers), ("x-request-id", "method-1")])
    with Wire(service.place.http_port) as wire:
        wire.send(iter([frame(HeadersFrame, 1, request, END_STREAM | END_HEADERS)]))
        wire.wait_for(1)

    assert "M" * 16 == accessed(service, "method-1")["method"]


def accessed(service: Service, request_id: str) -> dict[str, Any]:
    """Returns Envoy's line about a request."""

    def found() -> list[dict[str, Any]]:
        return [json.loads(line) for line in service.process.output.splitlines() if f'"{request_id}"' in line]

    wait_until(found, f"a line about {request_id}")
    return found()[0]


@pytest.mark.parametrize("path", ["/v1/nothing", "/openapi.json"])
def test_no_header_of_a_client_says_what_envoy_logs(service: Service, path: str) -> None:
    request_id = f"forged-{path[-4:]}"
    forged = {"x-envoy-original-path": "/forged", "x-envoy-original-method": "FORGED", "x-request-id": request_id}
    service.place.rest(path, headers=forged)

    line = accessed(service, request_id)
    assert ("GET", path) == (line["method"], line["path"])


def test_envoy_logs_who_asked(service: Service) -> None:
    headers = {"x-request-id": "who-asked", "user-agent": 'a "good" caller', "x-forwarded-for": "203.0.113.7"}
    service.place.rest("/v1/models", headers=headers, source="127.0.0.2")

    line = accessed(service, "who-asked")
    assert ("127.0.0.2", "127.0.0.2", 'a "good" caller') == (line["client"], line["peer"], line["user_agent"])


@pytest.fixture(scope="module")
def budgeted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that logs as little as it may, and believes a proxy."""
    place = Place(
        tmp_path_factory.mktemp("budgeted"),
        {
            "MODELSERVICE_LOG_CALLS_PER_SECOND": "1",
            "MODELSERVICE_TRUSTED_PROXIES": "1",
            "MODELSERVICE_EDGE_CACHE_TTL": "1",
            "MODELSERVICE_CORS_ORIGINS": "https://a.example.com",
        },
    )
    keys = prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield Service(place, process, keys)


def test_behind_a_proxy_envoy_logs_its_caller_and_the_proxy(budgeted: Service) -> None:
    headers = {"x-request-id": "behind-proxy", "x-forwarded-for": "198.51.100.1, 203.0.113.7"}
    assert 200 == budgeted.place.rest("/v1/models", budgeted.keys.reader, headers=headers).status

    line = accessed(budgeted, "behind-proxy")
    assert ("203.0.113.7", "127.0.0.1") == (line["client"], line["peer"])


def refused_call(place: Place) -> None:
    with channel(place.http) as one, pytest.raises(grpc.RpcError):
        unary(one, LIST)(b"")


def hang_up(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.http_port)) as one:
        one.sendall(b"POST /v1/models HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n")


PREFLIGHT = {"origin": "https://a.example.com", "access-control-request-method": "GET"}
# What anybody can do.
OTHERS: dict[str, Callable[[Place], object]] = {
    "a made-up key": lambda place: place.rest("/v1/models", "msk_made_up"),
    "an unknown path": lambda place: place.rest("/v1/nothing"),
    "a malformed request": lambda place: place.rest("/v1/models?page_size=x&%zz"),
    "a made-up key over gRPC": refused_call,
    "the OpenAPI document": lambda place: place.rest("/openapi.json"),
    "a preflight": lambda place: place.rest("/v1/models", method="OPTIONS", headers=PREFLIGHT),
    "a caller who leaves": hang_up,
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_anybody_can_do_has_a_budget_of_lines(budgeted: Service, what: str) -> None:
    def left_out() -> int:
        return statistic(budgeted.place, r"access_log\.process_ratelimit\.denied")

    before = left_out()

    def again() -> bool:
        OTHERS[what](budgeted.place)
        return left_out() > before

    wait_until(again, "a line is left out, and counted")


def test_beside_a_flood_each_call_that_succeeds_has_its_line(budgeted: Service) -> None:
    # A key of its own: of more than ten hot answers in a second, some are only counted.
    place, key = budgeted.place, create_key(budgeted.place.database_url, "test", "acme", scopes={MODELS_READ}).text
    wait_until(lambda: place.rest("/v1/models", key).status == 200, "the key is known")
    ids = [f"beside-{number}" for number in range(20)]
    for number, request_id in enumerate(ids):
        for other in OTHERS.values():
            other(place)
        if number % 2:
            with channel(place.http) as one:
                unary(one, LIST)(b"", metadata=(*bearer(key), ("x-request-id", request_id)))
        else:
            # From the server, then from the micro-cache; the second, of which only headers were asked for, as a 304.
            fresh = {"x-request-id": request_id, "cache-control": "no-cache"}
            etag = place.rest("/v1/models", key, headers=fresh).headers["etag"]
            again = {"x-request-id": f"{request_id}-again", "if-none-match": etag}
            assert 304 == place.rest("/v1/models", key, headers=again).status

    for number, request_id in enumerate(ids):
        accessed(budgeted, request_id)
        if not number % 2:
            accessed(budgeted, f"{request_id}-again")


def test_a_hot_answer_has_a_line_or_is_counted_in_the_next(budgeted: Service) -> None:
    bearing, sent = {"authorization": f"Bearer {budgeted.keys.reader}"}, 0

    def lines() -> list[dict[str, Any]]:
        output = budgeted.process.output
        return [json.loads(line) for line in output[: output.rfind("\n") + 1].splitlines() if '"hot-' in line]

    # One connection is one thread of Envoy.
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", budgeted.place.http_port)) as connection:

        def some_were_skipped() -> bool:
            nonlocal sent
            # More than have a line in a second, and fewer than the rate allows.
            for _ in range(12):
                sent += 1
                connection.request("GET", "/v1/models/gpt-4o", headers=bearing | {"x-request-id": f"hot-{sent}"})
                with connection.getresponse() as answer:
                    assert (200, 386) == (answer.status, len(answer.read()))
            return any(line["skipped"] for line in lines())

        wait_until(some_were_skipped, "a line counts others")

    found = lines()
    last = next(number for number, line in enumerate(found) if line["skipped"])
    # Each up to the line that says so has a line or is counted.
    assert f"hot-{last + 1 + found[last]['skipped']}" == found[last]["request_id"]
    # Of each second, some have one.
    assert 10 <= len([line for line in found if line["details"] == "lua_response"]) < sent


def test_a_client_cannot_leave_its_call_out_of_the_log(service: Service) -> None:
    headers = {"x-request-id": "hiding", "x-envoy-skipped": "1"}
    assert 200 == service.place.rest("/v1/models", service.keys.reader, headers=headers).status

    assert "/v1/models" == accessed(service, "hiding")["path"]


def test_without_a_limit_everything_has_a_line(service: Service) -> None:
    ids = [f"each-{number}" for number in range(50)]
    for request_id in ids:
        assert 404 == service.place.rest("/v1/nothing", headers={"x-request-id": request_id}).status

    for request_id in ids:
        accessed(service, request_id)


def test_a_busy_server_logs_some_calls_and_says_how_many_it_left_out(place: Place) -> None:
    keys = prepare(place)
    place.settings["MODELSERVICE_LOG_CALLS_PER_SECOND"] = "1"
    with Process(place, "serve") as process:
        process.wait_for('"SERVING"')
        with channel(place.grpc) as one:
            asked = 0
            while '"skipped"' not in process.errors:
                asked += 1
                metadata = (*bearer(keys.reader), ("x-request-id", str(asked)))
                unary(one, LIST)(b"", metadata=metadata)

        lines = [json.loads(line) for line in process.errors.splitlines()]
        calls = [line for line in lines if line["message"] == "call"]
        last = next(number for number, line in enumerate(calls) if "skipped" in line)
        # Each call up to the line that says so has a line or is counted.
        assert int(calls[last]["request_id"]) == last + 1 + calls[last]["skipped"]


def test_the_log_can_be_for_people(place: Place) -> None:
    keys = prepare(place)
    place.settings["MODELSERVICE_LOG_FORMAT"] = "console"
    with Process(place, "serve") as process:
        process.wait_for("status='SERVING'")
        with channel(place.grpc) as one:
            unary(one, LIST)(b"", metadata=bearer(keys.reader))
        process.wait_for(f"method='{LIST}' code='ok'")
        assert "{" not in process.errors
        assert "\x1b" not in process.errors
