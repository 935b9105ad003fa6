"""grpc.health.v1.Health: Check, Watch and List, for "" and the service's name.

Not grpcio's own servicer: it sends to watchers while it holds the lock that Check takes, so one watcher that reads
nothing would block everyone's health checks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import grpc
from grpc_health.v1 import health_pb2
from structlog.typing import FilteringBoundLogger

from modelservice.errors import UNAVAILABLE, UNKNOWN_SERVICE, Refusal
from modelservice.rpc.boundary import Boundary
from modelservice.rpc.call import Call
from modelservice.rpc.message_deadline import MessageDeadline
from modelservice.rpc.model_service import MODEL_SERVICE

HEALTH_SERVICE: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
# Concurrent Watch streams, each with its own thread. Clients that are refused can use Check.
WATCHERS_MAX: Final = 128
_WATCH: Final = f"/{HEALTH_SERVICE}/Watch"
_SERVICES: Final = ("", MODEL_SERVICE)
_SERVING: Final[int] = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final[int] = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN: Final[int] = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """The health service. It reports NOT_SERVING until `serve`."""

    def __init__(self, boundary: Boundary, deadline: MessageDeadline, log: FilteringBoundLogger) -> None:
        self._boundary = boundary
        self._deadline = deadline
        self._log = log
        self._started = False
        self._suspended = False
        self._draining = False
        self._closed = False
        self._changed = threading.Condition()
        self._slots = threading.BoundedSemaphore(WATCHERS_MAX)
        # A few more threads than watchers, to refuse the next.
        self._threads = ThreadPoolExecutor(WATCHERS_MAX + 4, thread_name_prefix="watch")

    @property
    def serving(self) -> bool:
        """Whether the status is SERVING."""
        return self._started and not self._suspended and not self._draining

    def serve(self) -> None:
        """Reports SERVING from now on, unless suspended or draining."""
        self._started = True
        self._update()

    def suspend(self) -> None:
        """Reports NOT_SERVING until `resume`."""
        self._suspended = True
        self._update()

    def resume(self) -> None:
        """Ends `suspend`."""
        self._suspended = False
        self._update()

    def drain(self) -> None:
        """Reports NOT_SERVING permanently."""
        self._draining = True
        self._update()

    def close(self) -> None:
        """Ends the Watch streams, which would otherwise delay the shutdown."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def handlers(self) -> grpc.GenericRpcHandler:
        """Returns the service's handlers."""

        def check(call: Call) -> bytes:
            service = call.receive(health_pb2.HealthCheckRequest).service
            if service not in _SERVICES:
                raise Refusal(UNKNOWN_SERVICE)
            return self._status(service)

        def list_services(call: Call) -> bytes:
            call.receive(health_pb2.HealthListRequest)
            statuses = {service: self._response(service) for service in _SERVICES}
            message: bytes = health_pb2.HealthListResponse(statuses=statuses).SerializeToString(deterministic=True)
            return message

        watch = partial(self._watch)
        # grpcio's way to give a method its own threads: a watcher that reads nothing occupies one.
        vars(watch)["experimental_thread_pool"] = self._threads
        return grpc.method_handlers_generic_handler(
            HEALTH_SERVICE,
            {
                "Check": self._boundary.handler(f"/{HEALTH_SERVICE}/Check", check, quiet=True),
                "List": self._boundary.handler(f"/{HEALTH_SERVICE}/List", list_services, quiet=True),
                "Watch": grpc.stream_stream_rpc_method_handler(watch),
            },
        )

    def _update(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._log.info("health", status="SERVING" if self.serving else "NOT_SERVING")

    def _response(self, service: str) -> health_pb2.HealthCheckResponse:
        known = _SERVING if self.serving else _NOT_SERVING
        return health_pb2.HealthCheckResponse(status=known if service in _SERVICES else _UNKNOWN)

    def _status(self, service: str) -> bytes:
        message: bytes = self._response(service).SerializeToString()
        return message

    def _watch(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        call = Call(partial(self._deadline.receive, requests, context))
        refusal: Refusal | None = None
        if not self._slots.acquire(blocking=False):
            refusal = Refusal(UNAVAILABLE, "Too many watchers")
        else:
            try:
                call.read_headers(context.invocation_metadata())
                service = call.receive(health_pb2.HealthCheckRequest).service
                yield from self._statuses(service, context)
            except Exception as error:  # noqa: BLE001
                refusal = self._boundary.refusal_of(error, _WATCH, call)
            finally:
                self._slots.release()
        if refusal:
            context.abort_with_status(self._boundary.status(refusal, _WATCH, call))

    def _statuses(self, service: str, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Yields the status now and after each change, until the call ends."""

        def wake() -> None:
            with self._changed:
                self._changed.notify_all()

        if not context.add_callback(wake):
            return
        sent: bytes | None = None
        while context.is_active() and not self._closed:
            with self._changed:
                while self._status(service) == sent:
                    self._changed.wait()
                    if self._closed or not context.is_active():
                        return
                sent = self._status(service)
            # Outside the lock: sending may block.
            yield sent
