"""Where metrics are read: `GET /metrics` over HTTP, in Prometheus' text format."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from typing import Any, Final
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, MetricsHandler
from structlog.typing import FilteringBoundLogger

PATH: Final = "/metrics"
# How long a client may be silent, in seconds, and how many there may be: each holds a thread.
_PATIENCE: Final = 5.0
CLIENTS_MAX: Final = 16


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
        handler = type("Handler", (_Handler,), {"registry": registry})
        self._server = _Server(host, port, handler, log)
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops to listen."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(MetricsHandler):
    timeout = _PATIENCE

    def do_GET(self) -> None:  # noqa: N802  (as http.server has it)
        if urlsplit(self.path).path == PATH:
            super().do_GET()
        else:
            self.send_error(404)


class _Server(socketserver.ThreadingTCPServer):
    # Not http.server's, which asks the DNS for this machine's name before it starts.
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[_Handler], log: FilteringBoundLogger) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._log = log
        self._clients: set[object] = set()
        super().__init__((host, port), handler)

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
