"""Serves metrics: `GET` and `HEAD /metrics` over HTTP, in Prometheus' text format."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from structlog.typing import FilteringBoundLogger

# The default format of `generate_latest`.
_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# In seconds: the longest that a connection may last, and how often that is checked.
_LIFETIME: Final = 5.0
_CHECK_INTERVAL: Final = 0.05
# Each connection has a thread.
CONNECTIONS_MAX: Final = 16


class MetricsEndpoint(socketserver.ThreadingTCPServer):
    """Serves in background threads from now on. A new connection closes the oldest beyond `CONNECTIONS_MAX`.

    Not http.server's server, which asks the DNS for this machine's name, nor prometheus_client's, which has no deadline
    for a connection: a timeout per read never ends a client that sends a byte now and then.

    Raises:
        OSError: The address is unavailable.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host: str, port: int, registry: CollectorRegistry, log: FilteringBoundLogger) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.registry = registry
        self._log = log
        # When each open connection must end, oldest first.
        self._deadlines: dict[Any, float] = {}
        # Held while a connection is closed, so that its descriptor is not reused meanwhile.
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(_CHECK_INTERVAL,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (socketserver's signature)
        """Starts a connection's thread and its deadline."""
        with self._lock:
            if len(self._deadlines) >= CONNECTIONS_MAX:
                self._cut(next(iter(self._deadlines)))
            self._deadlines[request] = time.monotonic() + _LIFETIME
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Ends connections after their deadline. `serve_forever` calls it at each interval."""
        now = time.monotonic()
        with self._lock:
            for request in [request for request, deadline in self._deadlines.items() if deadline <= now]:
                self._cut(request)

    def _cut(self, request: Any) -> None:  # noqa: ANN401
        # Wakes the connection's thread, whatever it waits for.
        del self._deadlines[request]
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        """Closes a connection that has been answered."""
        with self._lock:
            self._deadlines.pop(request, None)
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002
        """Logs an exception, unless it only means that the client has gone."""
        if not isinstance(sys.exception(), OSError):
            self._log.exception("metrics request failed")


class _Handler(BaseHTTPRequestHandler):
    """Answers one request, always in one format. prometheus_client's handler fails on a malformed `Accept`."""

    server: MetricsEndpoint

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        text = generate_latest(self.server.registry)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def do_HEAD(self) -> None:
        self.do_GET()

    def version_string(self) -> str:
        return "modelservice"

    def log_message(self, *_: object) -> None:
        """Logs nothing: a scrape every few seconds is not worth a line."""
