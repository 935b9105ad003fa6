"""The gRPC server: its limits, its port, its end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
from grpc_reflection.v1alpha import reflection
from structlog.typing import FilteringBoundLogger

from modelservice.auth.token import TokenVerifier
from modelservice.rpc.boundary import Boundary
from modelservice.rpc.health import HEALTH_SERVICE, Health
from modelservice.rpc.message_deadline import Watchdog
from modelservice.rpc.servicers import MODEL_SERVICE, Answers, UnknownMethods, service_handlers
from modelservice.rpc.tls_certificates import ServerCertificate
from modelservice.telemetry import LineBudget
from modelservice.telemetry.metrics import Metrics

# Threads are made as they are needed. What needs many is callers who open calls and send nothing: so many of them may
# wait for a message before the watchdog loses patience (rpc.arrival).
_THREADS: Final = 256
_CROWD: Final = 192
# Calls at a time, watchers among them: a bound for memory, far above what the threads serve.
_CALLS_MAX: Final = 2_000

_OPTIONS: Final = (
    # Otherwise a second server on the port starts, silently, and takes half of the calls.
    ("grpc.so_reuseport", 0),
    # Beyond this, grpcio refuses in its own words; up to it, rpc.boundary in documented ones.
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # In bytes: above what Envoy lets through (envoy.yaml), so that Envoy is who refuses.
    ("grpc.max_metadata_size", 96 * 1024),
    ("grpc.absolute_max_metadata_size", 128 * 1024),
    # Of one connection; no fewer than may watch (rpc.health), and Envoy opens further ones. Without this limit, calls
    # that are opened and reset, over and over, held up all others for seconds. With it, they count until they are torn
    # down, and beyond it they are refused before anything is made of them.
    ("grpc.max_concurrent_streams", 150),
    # Finds callers who are gone without a word, in milliseconds.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Lets Envoy and other clients ping as often as they do by default.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class Server:
    """The gRPC server on one address.

    Args:
        catalogue: Answers.
        tokens: Verifies JSON Web Tokens; None rejects them.
        log: Where it tells what it does.
        metrics: Where calls are counted.
        budget: How many of them are logged.
        reflection_enabled: Whether clients may ask which services there are.

    Attributes:
        health: The health service.
        task: The background task.
    """

    def __init__(
        self,
        catalogue: Answers,
        tokens: TokenVerifier | None,
        log: FilteringBoundLogger,
        metrics: Metrics,
        budget: LineBudget,
        *,
        reflection_enabled: bool,
    ) -> None:
        self._watchdog = Watchdog(_CROWD, log)
        self.task = self._watchdog.task
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="call")
        self.health = Health(self._watchdog, log)
        boundary = Boundary(self._watchdog, log, metrics, budget)
        self._server = grpc.server(self._threads, options=_OPTIONS, maximum_concurrent_rpcs=_CALLS_MAX)
        handlers = [*service_handlers(catalogue, tokens, boundary), self.health.handlers(boundary)]
        self._server.add_generic_rpc_handlers(handlers)
        if reflection_enabled:
            names = (MODEL_SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        self._server.add_generic_rpc_handlers((UnknownMethods(boundary),))

    def start(self, address: str, certificate: ServerCertificate | None = None) -> bool:
        """Begins to listen. Says whether the address was to be had.

        Args:
            address: `host:port`.
            certificate: What callers are shown; None for plain text.
        """
        try:
            if certificate:
                self._server.add_secure_port(address, certificate.credentials())
            else:
                self._server.add_insecure_port(address)
        except RuntimeError:
            return False
        self._server.start()
        return True

    def stop(self, grace: float, hurried: threading.Event) -> None:
        """Takes no new calls, lets those under way end, and closes.

        Args:
            grace: For how many seconds they may.
            hurried: Cuts the grace short.
        """
        self.health.close()
        ended = self._server.stop(grace)
        while not ended.wait(0.05):
            if hurried.is_set():
                self._server.stop(None)
        self._watchdog.close()
