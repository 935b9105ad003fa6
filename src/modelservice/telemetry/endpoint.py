"""Where metrics are read: `GET /metrics` over HTTP, in Prometheus' text format."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
import time
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from structlog.typing import FilteringBoundLogger

PATH: Final = "/metrics"
# What `generate_latest` makes when it is not told otherwise.
_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# How long a connection may last, in seconds, and how many there may be: each holds a thread.
_LIFETIME: Final = 5.0
CLIENTS_MAX: Final = 16
# How often old connections, and the end, are looked for, in seconds.
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
    """Gives each connection a thread, and ends those that last too long.

    A timeout for each read would not: whoever sends a byte now and then keeps a thread for ever.
    """

    # Not http.server's, which asks the DNS for this machine's name before it starts.
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry, log: FilteringBoundLogger) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.registry = registry
        self._log = log
        # When each connection is to end, the oldest first.
        self._clients: dict[Any, float] = {}
        # Held while a connection is ended, so that its number is not another's by then.
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401, ARG002  (as socketserver has it)
        # A new client is served whatever the others do: the oldest makes room.
        with self._lock:
            if len(self._clients) >= CLIENTS_MAX:
                self._end(next(iter(self._clients)))
            self._clients[request] = time.monotonic() + _LIFETIME
        return True

    def service_actions(self) -> None:
        """Ends what has lasted too long. Called in the loop that accepts connections."""
        now = time.monotonic()
        with self._lock:
            for request in [request for request, end in self._clients.items() if end <= now]:
                self._end(request)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  (as socketserver has it)
        with self._lock:
            self._clients.pop(request, None)
            super().shutdown_request(request)

    def _end(self, request: Any) -> None:  # noqa: ANN401
        # Its thread finds the connection closed, whatever it waits for.
        del self._clients[request]
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002  (as socketserver has it)
        # A client that has gone is no error.
        if not isinstance(sys.exception(), OSError):
            self._log.exception("metrics cannot be shown")
