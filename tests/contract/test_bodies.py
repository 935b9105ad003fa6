"""Bodies up to the limit are answered as the documents say, those beyond it are refused, over either protocol."""

from __future__ import annotations

import json
from collections import Counter

import grpc
import pytest

from cloakrai.v1 import model_service_pb2 as pb
from tests.support.bodies import Bodies, Headers
from tests.support.calls import GET, bearer, call, details
from tests.support.service import Service, Services

LIMIT = 65_536
# By method: the answer to a request with a body, which none has a meaning for.
ANSWERS = {"GET": (400, "invalid_request"), "POST": (405, "method_not_allowed")}
TOO_LARGE = (413, "request_too_large")


@pytest.fixture
def cached(services: Services) -> Service:
    """A service with the micro-cache, which waits for a body first, as it is by default."""
    return services.of(MODELSERVICE_EDGE_CACHE_TTL="1")


def headers(service: Service, method: str, *more: tuple[str, str]) -> Headers:
    start = [(":method", method), (":scheme", "http"), (":path", "/v1/models/gpt-4o"), (":authority", "x")]
    return [*start, ("authorization", f"Bearer {service.keys.reader}"), *more]


@pytest.mark.parametrize("method", ANSWERS)
@pytest.mark.parametrize("size", [1, 32_768, LIMIT - 1, LIMIT, LIMIT + 1])
def test_a_body_over_http_1_1(cached: Service, method: str, size: int) -> None:
    answer = cached.place.rest("/v1/models/gpt-4o", cached.keys.reader, method=method, body=bytes(size))

    assert (ANSWERS[method] if size <= LIMIT else TOO_LARGE) == (
        answer.status,
        json.loads(answer.body)["error"]["code"],
    )


@pytest.mark.parametrize("times", [1, 50])
@pytest.mark.parametrize("method", ANSWERS)
@pytest.mark.parametrize("size", [1, 32_768, LIMIT - 1, LIMIT, LIMIT + 1])
def test_bodies_over_http_2(cached: Service, method: str, size: int, times: int) -> None:
    expected, _ = ANSWERS[method] if size <= LIMIT else TOO_LARGE

    assert Counter({str(expected): times}) == Bodies(cached.place.http_port, headers(cached, method), size).statuses(
        times
    )


@pytest.mark.parametrize("method", ANSWERS)
def test_a_body_hides_no_headers_that_are_too_large(cached: Service, method: str) -> None:
    sent = headers(cached, method, ("x-long", "a" * 33_000), ("content-length", str(LIMIT)))

    assert Counter({"431": 2}) == Bodies(cached.place.http_port, sent, LIMIT).statuses(2)


@pytest.mark.parametrize("more", [(), (("content-length", "10"),)], ids=["of unknown length", "of known length"])
def test_a_body_takes_the_place_of_no_header(cached: Service, more: Headers) -> None:
    def statuses(count: int) -> Counter[str]:
        # The path before transcoding, and other headers of Envoy's own, count as well: 3 here.
        some = [(f"x-{number}", "a") for number in range(count - 3 - len(headers(cached, "POST")))]
        return Bodies(cached.place.http_port, headers(cached, "POST", *some, *more), 10).statuses(1)

    assert (Counter({"405": 1}), Counter({"431": 1})) == (statuses(100), statuses(101))


@pytest.mark.parametrize("times", [1, 50])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_health_check_may_have_any_body(cached: Service, path: str, times: int) -> None:
    sent = [(name, path if name == ":path" else value) for name, value in headers(cached, "GET")]

    assert Counter({"200": times}) == Bodies(cached.place.http_port, sent, 2 * LIMIT).statuses(times)


def message(size: int) -> bytes:
    """Returns a message of so many bytes, which is well formed."""
    made = pb.GetModelRequest(model_id="a" * (size - 4)).SerializeToString()
    assert size == len(made)
    return made


@pytest.mark.parametrize("way", ["direct", "through Envoy"])
@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
def test_a_message_up_to_the_limit_is_read(service: Service, way: str, size: int) -> None:
    address = service.place.grpc if way == "direct" else service.place.http
    error = call(address, GET, message(size), bearer(service.keys.reader))

    # No model has so long an id.
    assert (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST") == (error.code(), details(error)[1].reason)


@pytest.mark.parametrize("way", ["direct", "through Envoy"])
def test_a_message_beyond_the_limit_is_refused(service: Service, way: str) -> None:
    address = service.place.grpc if way == "direct" else service.place.http
    error = call(address, GET, message(LIMIT + 1), bearer(service.keys.reader))

    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE") == (error.code(), details(error)[1].reason)
