"""Envoy with the edge's scripts alone, before constant responses that say whether they were asked for."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from modelservice.edge.processes import find_envoy
from tests.support.harness import DEADLINE, ENVOY, ROOT, Response, wait_until
from tests.support.ports import free_ports, listens

SCRIPTS = ROOT / "src" / "modelservice" / "edge"
ANSWERS_MAX, BYTES_MAX = 50, 100_000
# Each of these paths has an answer of its own.
PLAIN, LARGE, LONG, FAILED, UNMARKED, GZIP = (
    f"/v1/models/{name}" for name in ("plain", "large", "long", "failed", "unmarked", "gzip")
)
ETAG = 'W/"abc"'


@dataclass
class Edge:
    """An Envoy with nothing but the scripts, and constants behind them."""

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

    def send(self, paths: list[str], keys: Iterable[str] = repeat("key-1")) -> None:
        """Sends many requests, each with the next key, on some connections at a time, and reads the answers."""
        keys = iter(keys)
        with contextlib.ExitStack() as stack:
            connections = [
                stack.enter_context(socket.create_connection(("127.0.0.1", self.port), DEADLINE)) for _ in range(20)
            ]
            for start in range(0, len(paths), len(connections)):
                some = list(zip(connections, paths[start : start + len(connections)], strict=False))
                for connection, path in some:
                    # As http.client says it.
                    headers = f"host: a\r\naccept-encoding: identity\r\nauthorization: Bearer {next(keys)}"
                    connection.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
                for connection, _ in some:
                    received = b""
                    while not received.endswith(b'{"a": 1}'):
                        data = connection.recv(1 << 16)
                        assert data, received
                        received += data
                    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


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


def configuration(port: int, rate: int) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters"
    script = f"""
        envoy_on_request, envoy_on_response = dofile("{SCRIPTS}/edge.lua")({{
            folder = "{SCRIPTS}", cors_origins = {{}}, cache_control = "private", vary = "x",
            cache_ttl = 1000, cache_answers = {ANSWERS_MAX}, cache_bytes = {BYTES_MAX}, rate_per_credential = {rate},
            -- So large that Envoy's administration is never asked.
            send_budget = 2 ^ 50,
        }})
    """
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "http_filters": [
            {
                "name": "scripts",
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


@contextlib.contextmanager
def scripted_edge(folder: Path, rate: int = 0) -> Iterator[tuple[Edge, subprocess.Popen[bytes]]]:
    """Runs it in a folder, with this many responses per second to one credential from the cache; 0 is no limit."""
    edge = Edge(free_ports(1)[0])
    file = folder / "envoy.json"
    file.write_text(json.dumps(configuration(edge.port, rate)))
    with (folder / "log").open("wb") as log:
        command = [find_envoy(ENVOY), "-c", str(file), "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]
        envoy = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(lambda: listens(edge.port), (folder / "log").read_text)
            yield edge, envoy
        finally:
            envoy.terminate()
            envoy.wait(DEADLINE)
    # No error of the scripts' own.
    assert "lua" not in (folder / "log").read_text()
