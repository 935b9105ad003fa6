"""Where metrics are read: `GET /metrics` over HTTP, in Prometheus' text format."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from structlog.typing import FilteringBoundLogger

PATH: Final = "/metrics"
# What `generate_latest` makes when it is not told otherwise.
_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# How long a client may be silent, in seconds, and how many there may be: each holds a thread.
_PATIENCE: Final = 5.0
CLIENTS_MAX: Final = 16
# How long the end may take, in seconds: so often it is looked for.
_LOOK_INTERVAL: Final = 0.05


class MetricsEndpoint:
    """Answers in a background thread, from now on.

    Args:
        host: An IP address to listen on.
        port: And its port.
        registry: The metrics.
        log: Where to say what goes wrong.

    Raises:
        OSError: The address is not to be had.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry, log: FilteringBoundLogger) -> None:
        self._server = _Server((host, port), registry, log)
        serve = partial(self._server.serve_forever, _LOOK_INTERVAL)
        self._thread = threading.Thread(target=serve, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops to listen."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers one request.

    Not the library's handler, which lets a reader choose among formats, and fails on a choice that is malformed.
    """

    timeout = _PATIENCE
    server: _Server

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        text = generate_latest(self.server.registry)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def version_string(self) -> str:
        return "modelservice"

    def log_message(self, *_: object) -> None:
        # Who reads metrics, every few seconds, is nothing for the log.
        pass


class _Server(socketserver.ThreadingTCPServer):
    # Not http.server's, which asks the DNS for this machine's name before it starts.
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry, log: FilteringBoundLogger) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.registry = registry
        self._log = log
        self._clients: set[object] = set()
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401, ARG002  (as socketserver has it)
        self._clients.add(request)
        return len(self._clients) <= CLIENTS_MAX

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  (as socketserver has it)
        self._clients.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002  (as socketserver has it)
        # A client that has gone is no error.
        if not isinstance(sys.exception(), OSError):
            self._log.exception("metrics cannot be shown")
