"""What HTTP says beyond the methods that are served: old and new versions, other methods, and gRPC beside REST."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.support.calls import LIST, bearer, call, details
from tests.support.harness import DEADLINE, channel, streaming, unary
from tests.support.http2_client import exchange
from tests.support.service import Service, Services

METHOD_NOT_ALLOWED = (
    b'{"error":{"type":"invalid_request_error","message":"Method not allowed","code":"method_not_allowed"}}'
)


def raw(port: int, request: str) -> str:
    """Sends the text of a request, and returns all that comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as one:
        one.sendall(request.encode())
        return b"".join(iter(lambda: one.recv(1 << 16), b"")).decode()


@pytest.mark.parametrize("host", ["", "host: models\r\n"], ids=["without a host", "with a host"])
def test_http_1_0_is_answered(service: Service, host: str) -> None:
    credential = f"authorization: Bearer {service.keys.reader}\r\n"
    answer = raw(service.place.http_port, f"GET /v1/models HTTP/1.0\r\n{host}{credential}\r\n")

    assert answer.startswith("HTTP/1.0 200 OK\r\n")
    assert '{"object":"list","data":[' in answer


@pytest.mark.parametrize("listener", ["main", "health"])
def test_the_default_check_of_haproxy_finds_the_service_up(service: Service, listener: str) -> None:
    port = service.place.http_port if listener == "main" else service.place.health_port

    assert raw(port, "OPTIONS / HTTP/1.0\r\n\r\n").startswith("HTTP/1.0 200 OK\r\n")


@pytest.mark.parametrize("method", ["QUERY", "PROPFIND", "FETCH", "get", "M" * 300])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("path", ["/v1/models", "/openai/v1/models/gpt-4o", "/healthz"])
def test_unknown_methods_are_not_allowed(service: Service, method: str, version: str, path: str) -> None:
    if version == "HTTP/1.1":
        answer = service.place.rest(path, method=method)
        found = (answer.status, answer.headers["allow"], answer.body)
    else:
        other = exchange(service.place.http_port, path, method=method)
        found = (other.status, other.headers["allow"], other.body)

    assert (405, "GET, HEAD", METHOD_NOT_ALLOWED) == found


def test_an_unknown_method_on_an_unknown_path_is_not_found(service: Service) -> None:
    for method in ("QUERY", "FETCH"):
        assert 404 == service.place.rest("/nowhere", method=method).status


@pytest.mark.parametrize("rendering", ["ready", "transcoder"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gpt-4o", "/v1/models/none"])
def test_rest_over_http_2_has_no_trailers_of_grpc(services: Services, rendering: str, path: str) -> None:
    service = services.of(MODELSERVICE_REST_RENDERING=rendering)
    answer = exchange(
        service.place.http_port, path, headers={"authorization": f"Bearer {service.keys.reader}", "te": "trailers"}
    )

    assert (404 if path.endswith("none") else 200) == answer.status
    assert answer.trailers in (None, {"server-timing": "edge"})
    assert not [name for name in answer.headers if name.startswith("grpc-")]


def test_a_dialect_that_does_not_exist_allows_no_method(services: Services) -> None:
    service = services.of(MODELSERVICE_REST_RENDERING="transcoder")

    assert [404, 404] == [service.place.rest("/openai/v1/models", method=method).status for method in ("GET", "POST")]


def test_grpc_keeps_its_trailers(service: Service) -> None:
    with channel(service.place.http) as one:
        _, sent = unary(one, LIST).with_call(b"", metadata=bearer(service.keys.reader))

    assert grpc.StatusCode.OK == sent.code()
    assert "x-request-id" in dict(sent.trailing_metadata())


@pytest.mark.parametrize(
    "method",
    [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Watch",
        "/modelservice.rest.v1.RestService/ListModels",
        "/a.Service/Method",
    ],
)
def test_a_stream_to_an_unrouted_method_is_refused_at_once(service: Service, method: str) -> None:
    release = threading.Event()

    def silence() -> Iterator[bytes]:
        release.wait()
        yield from ()

    with channel(service.place.http) as one, contextlib.ExitStack() as stack:
        stack.callback(release.set)
        with pytest.raises(grpc.RpcError) as raised:
            streaming(one, method)(silence(), timeout=DEADLINE)

    error: Any = raised.value
    assert (grpc.StatusCode.UNIMPLEMENTED, "Unknown path") == (error.code(), error.details())
    assert "NOT_FOUND" == details(error)[1].reason


def test_an_unrouted_unary_call_is_refused_the_same_way(service: Service) -> None:
    error = call(service.place.http, "/a.Service/Method", b"")

    assert (grpc.StatusCode.UNIMPLEMENTED, "Unknown path") == (error.code(), error.details())
