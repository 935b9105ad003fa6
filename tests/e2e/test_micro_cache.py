"""The micro-cache by itself: in a real Envoy, before answers that say whether it was asked."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from modelservice.edge.processes import find_envoy
from tests.support.harness import DEADLINE, ENVOY, ROOT, Response, memory, wait_until
from tests.support.ports import free_ports, listens

SCRIPT = ROOT / "src" / "modelservice" / "edge" / "micro_cache.lua"
ANSWERS_MAX, BYTES_MAX = 50, 100_000
# Each of these paths has an answer of its own.
PLAIN, LARGE, LONG, FAILED, UNMARKED, GZIP = (
    f"/v1/models/{name}" for name in ("plain", "large", "long", "failed", "unmarked", "gzip")
)
ETAG = 'W/"abc"'


@dataclass
class Edge:
    """An Envoy with nothing but the micro-cache, and constants behind it."""

    port: int

    def get(
        self, path: str = PLAIN, *, method: str = "GET", body: bytes | None = None, **headers: str | None
    ) -> Response:
        """Sends a request, with a credential unless told otherwise."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        named = {"authorization": "Bearer key-1"} | {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {name: value for name, value in named.items() if value is not None})
            answer = connection.getresponse()
            return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def asks(self, path: str = PLAIN, **headers: Any) -> bool:
        """Says whether the request gets past the cache."""
        return "x-asked" in self.get(path, **headers).headers

    def keeps(self, path: str = PLAIN, **headers: Any) -> bool:
        """Says whether the same request is soon answered by the cache: at once, or on a slow machine in some tries."""
        return any(not self.asks(path, **headers) for _ in range(20))


def constant(path: str, status: int, body: str, **headers: str) -> dict[str, Any]:
    mark = {"x-asked": "yes", "content-type": "application/json;etag=abc"} | headers
    return {
        "match": {"prefix": path},
        "direct_response": {"status": status, "body": {"inline_string": body}},
        "response_headers_to_add": [
            {"header": {"key": name.replace("_", "-"), "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for name, value in mark.items()
        ],
    }


def configuration(port: int) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters"
    script = f"""
        local micro_cache = dofile("{SCRIPT}")({{
            ttl = 1000, answers = {ANSWERS_MAX}, bytes = {BYTES_MAX},
            headers = {{vary = "x", ["cache-control"] = "private"}},
            admits = function() return true end,
        }})
        envoy_on_request, envoy_on_response = micro_cache.on_request, micro_cache.on_response
    """
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "http_filters": [
            {
                "name": "micro_cache",
                "typed_config": {
                    "@type": f"{kind}.http.lua.v3.Lua",
                    "default_source_code": {"inline_string": script},
                },
            },
            {"name": "router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}},
        ],
        "route_config": {
            "max_direct_response_body_size_bytes": 200_000,
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        constant(LARGE, 200, "l" * BYTES_MAX),
                        constant(LONG, 200, "m" * 30_000),
                        constant(FAILED, 503, "{}", content_type="application/json"),
                        constant(UNMARKED, 200, "{}", content_type="application/json"),
                        constant(GZIP, 200, "zipped", content_type="application/json;etag=abc;gzip"),
                        constant("/", 200, '{"a": 1}', x_other="1"),
                    ],
                }
            ],
        },
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    chain = {"filters": [{"name": "manager", "typed_config": manager}]}
    return {"static_resources": {"listeners": [{"name": "edge", "address": address, "filter_chains": [chain]}]}}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, subprocess.Popen[bytes]]]:
    folder = tmp_path_factory.mktemp("micro_cache")
    edge = Edge(free_ports(1)[0])
    file = folder / "envoy.json"
    file.write_text(json.dumps(configuration(edge.port)))
    with (folder / "log").open("wb") as log:
        command = [find_envoy(ENVOY), "-c", str(file), "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]
        envoy = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(lambda: listens(edge.port), (folder / "log").read_text)
            yield edge, envoy
        finally:
            envoy.terminate()
            envoy.wait(DEADLINE)
    # No error of the script's own.
    assert "lua" not in (folder / "log").read_text()


@pytest.fixture
def edge(process: tuple[Edge, subprocess.Popen[bytes]]) -> Edge:
    return process[0]


def test_a_repeated_request_is_answered_and_soon_asked_again(edge: Edge) -> None:
    path = "/v1/models/repeated"
    assert edge.asks(path)
    assert edge.keeps(path)
    wait_until(lambda: edge.asks(path), "it is asked again")


def test_an_answer_is_the_one_that_was_kept(edge: Edge) -> None:
    path = "/v1/models/same"
    first = edge.get(path)
    assert edge.keeps(path)
    again = edge.get(path)

    assert (first.status, first.body) == (again.status, again.body)
    assert {"content-type", "etag", "cache-control", "vary"} <= again.headers.keys()
    kept = {name: value for name, value in again.headers.items() if name != "date"}
    assert kept.items() <= first.headers.items()
    assert "content-encoding" not in first.headers | again.headers


def test_a_compressed_answer_is_said_to_be_one(edge: Edge) -> None:
    first = edge.get(GZIP)
    assert edge.keeps(GZIP)
    for answer in (first, edge.get(GZIP)):
        assert ("application/json", "gzip") == (answer.headers["content-type"], answer.headers["content-encoding"])


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/models/other", {"authorization": "Bearer key-2"}),
        ("/v1/models/other", {"authorization": "Bearer key-12"}),
        ("/v1/models/other", {"authorization": "bearer key-1"}),
        ("/v1/models/other", {"authorization": None}),
        ("/v1/models/other", {"accept_encoding": "gzip"}),
        ("/v1/models/other?", {}),
        ("/v1/models/other?user=1", {}),
        ("/v1/models/Other", {}),
        ("/v1/models/other2", {}),
        ("/v1/models/other", {"cache_control": "no-cache"}),
        ("/v1/models/other", {"cache_control": "max-age=0"}),
        ("/v1/models/other", {"x_modelservice_organization": "acme"}),
        ("/v1/models/other", {"method": "POST"}),
        ("/v1/models/other", {"method": "HEAD"}),
        ("/v1/models/other", {"body": b"{}"}),
    ],
)
def test_nothing_but_the_same_request_is_answered(edge: Edge, path: str, headers: dict[str, Any]) -> None:
    assert edge.keeps("/v1/models/other")

    assert edge.asks(path, **headers)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (FAILED, {}),
        (UNMARKED, {}),
        (LARGE, {}),
        ("/v1/model", {}),
        (PLAIN, {"authorization": None}),
        (PLAIN, {"content_type": "application/grpc"}),
        (PLAIN, {"cache_control": "no-cache"}),
        (PLAIN, {"x_modelservice_organization": "acme"}),
        (PLAIN, {"method": "POST"}),
        (PLAIN, {"method": "HEAD"}),
        (PLAIN, {"body": b"{}"}),
    ],
)
def test_what_is_not_to_be_kept_is_not(edge: Edge, path: str, headers: dict[str, Any]) -> None:
    assert [True] * 5 == [edge.asks(path, **headers) for _ in range(5)]


@pytest.mark.parametrize("path", ["/v1/models/conditional", LARGE], ids=["kept", "not kept"])
@pytest.mark.parametrize(
    ("if_none_match", "status"),
    [
        (ETAG, 304),
        ('"abc"', 304),
        ('"x", W/"abc"', 304),
        ('W/"abc","y"', 304),
        ("*", 304),
        (" * ", 304),
        ('"x"', 200),
        ("abc", 200),
        ('W/"abcd"', 200),
        ('"ab', 200),
        ("", 200),
    ],
)
def test_if_none_match_is_answered(edge: Edge, path: str, if_none_match: str, status: int) -> None:
    # The first is answered by the cache or not; further ones by the cache, where there is something to keep.
    for _ in range(3):
        answer = edge.get(path, if_none_match=if_none_match)
        assert status == answer.status
        assert ETAG == answer.headers["etag"]
        assert "private" == answer.headers["cache-control"]
        if status == 304:
            assert b"" == answer.body
            assert not {"content-type", "content-length"} & answer.headers.keys()


def test_an_error_stays_an_error_for_a_conditional_request(edge: Edge) -> None:
    assert 503 == edge.get(FAILED, if_none_match="*").status


def test_a_conditional_request_is_the_same_request(edge: Edge) -> None:
    path = "/v1/models/validated"
    assert 304 == edge.get(path, if_none_match="*").status

    assert any("x-asked" not in edge.get(path).headers for _ in range(20))


def test_what_does_not_fit_drives_out_the_oldest(edge: Edge) -> None:
    # Three of these fit.
    paths = [f"{LONG}/{number}" for number in range(4)]

    def newest_are_kept() -> bool:
        for path in paths:
            edge.get(path)
        return [False, False, False, True] == [edge.asks(path) for path in reversed(paths)]

    # On a machine that stands still for a second, none is.
    wait_until(newest_are_kept, "the last three are kept, and the first is not")


def test_there_are_never_more_answers_than_the_limit(edge: Edge) -> None:
    paths = [f"/v1/models/counted/{number}" for number in range(ANSWERS_MAX + 1)]

    def newest_are_kept() -> bool:
        send(edge, paths)
        return [False, True] == [edge.asks(paths[-1]), edge.asks(paths[0])]

    wait_until(newest_are_kept, "the last is kept, and the first is not")


@pytest.mark.slow
def test_memory_stays_flat_under_a_hundred_thousand_paths(
    process: tuple[Edge, subprocess.Popen[bytes]],
) -> None:
    edge, envoy = process
    send(edge, [f"{PLAIN}?user={number}" for number in range(5_000)])
    before = memory(envoy.pid)
    send(edge, [f"{PLAIN}?user={number}" for number in range(5_000, 105_000)])

    # All of them kept would be 130 MB.
    assert memory(envoy.pid) - before < 30


def send(edge: Edge, paths: list[str]) -> None:
    """Sends many requests, on some connections at a time, and reads the answers."""
    with contextlib.ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", edge.port), DEADLINE)) for _ in range(20)
        ]
        for start in range(0, len(paths), len(connections)):
            some = list(zip(connections, paths[start : start + len(connections)], strict=False))
            for connection, path in some:
                # As http.client says it.
                headers = "host: a\r\naccept-encoding: identity\r\nauthorization: Bearer key-1"
                connection.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
            for connection, _ in some:
                received = b""
                while not received.endswith(b'{"a": 1}'):
                    data = connection.recv(1 << 16)
                    assert data, received
                    received += data
                assert received.startswith(b"HTTP/1.1 200 OK\r\n")
