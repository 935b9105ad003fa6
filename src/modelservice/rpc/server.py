"""The gRPC server: its limits, its port and its shutdown."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
from grpc_reflection.v1alpha import reflection
from structlog.typing import FilteringBoundLogger

from modelservice.auth.token import TokenVerifier
from modelservice.rpc.admission import Answers
from modelservice.rpc.boundary import Boundary
from modelservice.rpc.health import HEALTH_SERVICE, Health
from modelservice.rpc.message_deadline import MessageDeadline
from modelservice.rpc.model_service import MODEL_SERVICE, UnknownMethods, model_service
from modelservice.rpc.rest_service import RestService
from modelservice.rpc.tls_certificates import ServerCertificate
from modelservice.telemetry import LineBudget
from modelservice.telemetry.metrics import Metrics

# Created on demand. Callers that open calls and send nothing need the most; above _CROWD of them, the deadline for
# their message becomes short (rpc.message_deadline).
_THREADS: Final = 256
_CROWD: Final = 192
# Concurrent calls, including watchers: bounds the memory, far above what the threads serve.
_CALLS_MAX: Final = 2_000

_OPTIONS: Final = (
    # Otherwise a second server on the same port would start silently and take half of the calls.
    ("grpc.so_reuseport", 0),
    # Above this, grpcio refuses in its own words; below, rpc.boundary does in documented ones.
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # In bytes: more than Envoy lets through (envoy.yaml), so that Envoy refuses first.
    ("grpc.max_metadata_size", 96 * 1024),
    ("grpc.absolute_max_metadata_size", 128 * 1024),
    # Per connection; at least rpc.health.WATCHERS_MAX. Envoy opens more connections. Without this limit, calls that are
    # opened and reset in a loop delayed all others by seconds. With it, they count until they are torn down, and
    # further ones are refused before anything is allocated for them.
    ("grpc.max_concurrent_streams", 150),
    # In milliseconds: detects callers that vanished.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Allows the default ping rate of Envoy and other clients.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class Server:
    """The gRPC server on one address.

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
        deadline = MessageDeadline(_CROWD, log)
        self.task = deadline.task
        boundary = Boundary(deadline, log, metrics, budget)
        self.health = Health(boundary, deadline, log)
        threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="call")
        self._server = grpc.server(threads, options=_OPTIONS, maximum_concurrent_rpcs=_CALLS_MAX)
        handlers = [
            RestService(catalogue, tokens, boundary),
            model_service(catalogue, tokens, boundary),
            self.health.handlers(),
        ]
        self._server.add_generic_rpc_handlers(handlers)
        if reflection_enabled:
            names = (MODEL_SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        self._server.add_generic_rpc_handlers((UnknownMethods(boundary),))

    def start(self, address: str, certificate: ServerCertificate | None = None) -> bool:
        """Listens on `host:port`, in plain text without a certificate. Returns whether the address was available."""
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
        """Refuses new calls, gives running ones `grace` seconds or until `hurried`, and closes."""
        self.health.close()
        ended = self._server.stop(grace)
        while not ended.wait(0.05):
            if hurried.is_set():
                self._server.stop(None)
        self.task.close()
