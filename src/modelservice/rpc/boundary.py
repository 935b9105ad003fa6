"""The boundary: every call passes it, and every failure leaves it as a documented error.

grpcio would tell a caller an exception's text and class. Here handlers take raw bytes, so that even what cannot be
decoded is inside, and nothing that goes wrong gets past it.
"""

from __future__ import annotations

import logging
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from structlog.typing import FilteringBoundLogger

from modelservice.domain.principal import Principal
from modelservice.errors import (
    ACCESS_DENIED,
    INTERNAL_ERROR,
    INVALID_API_KEY,
    INVALID_REQUEST,
    INVALID_TOKEN,
    REQUEST_TOO_LARGE,
    TIMEOUT,
    Refusal,
)
from modelservice.rpc.message_deadline import Watchdog
from modelservice.rpc.send_budget import Unread
from modelservice.rpc.status import Status, status_of
from modelservice.rpc.trace import trace_id
from modelservice.telemetry import LineBudget
from modelservice.telemetry.metrics import Metrics

# In bytes. The longest useful request names a model of 256 characters.
REQUEST_BYTES_MAX: Final = 64 * 1024
_REQUEST_ID_SHAPE: Final = re.compile(r"[!-~]{1,128}")

# What is wrong with a credential.
_CREDENTIAL_REFUSALS: Final = (INVALID_API_KEY, INVALID_TOKEN, ACCESS_DENIED)

M = TypeVar("M", bound=Message)


class Call:
    """One call, as its handler sees it.

    Attributes:
        principal: Who calls; the handler sets it once it knows, and the log tells.
        organization_id: For which organization, likewise.
        request_id: The caller's `x-request-id`, or one made here.
    """

    def __init__(self, requests: Iterator[bytes], context: grpc.ServicerContext, watchdog: Watchdog) -> None:
        self._requests = requests
        self._context = context
        self._watchdog = watchdog
        self._values: dict[str, list[str | bytes]] = {}
        self.principal: Principal | None = None
        self.organization_id: str | None = None
        self.request_id = ""

    def read_headers(self) -> None:
        """Reads the metadata that the call began with."""
        for key, value in self._context.invocation_metadata():
            self._values.setdefault(key, []).append(value)
        self.request_id = self._request_id()

    @property
    def caller(self) -> str:
        """Names the credential; empty where there is none."""
        return (self.principal.key_id or self.principal.subject or "") if self.principal else ""

    def values(self, key: str) -> Sequence[str | bytes]:
        """Returns every value of a metadata key, in the order sent."""
        return self._values.get(key, ())

    def receive(self, message_type: type[M]) -> M:
        """Returns the request.

        Raises:
            Refusal: `INVALID_REQUEST`, it is missing or cannot be decoded; `REQUEST_TOO_LARGE`; `TIMEOUT`.
        """
        data = self._watchdog.receive(self._requests, self._context)
        remaining = self._context.time_remaining()
        if remaining is not None and remaining <= 0:
            raise Refusal(TIMEOUT)
        if data is None:
            raise Refusal(INVALID_REQUEST, "The request message is missing")
        if len(data) > REQUEST_BYTES_MAX:
            raise Refusal(REQUEST_TOO_LARGE)
        try:
            return message_type.FromString(data)
        except DecodeError:
            raise Refusal(INVALID_REQUEST, "The request message cannot be decoded") from None

    def _request_id(self) -> str:
        given = self.values("x-request-id")
        if given and isinstance(given[0], str) and _REQUEST_ID_SHAPE.fullmatch(given[0]):
            return given[0]
        # Not uuid4, which asks the kernel each time, and lets go of the interpreter for that. No secret hangs on it.
        return str(uuid.UUID(int=random.getrandbits(128), version=4))


class Boundary:
    """Makes handlers that cannot fail in any way but a documented one.

    Args:
        watchdog: Waits for messages.
        log: Gets a line for each call.
        metrics: Where each is counted.
        budget: How many lines there are.
    """

    def __init__(self, watchdog: Watchdog, log: FilteringBoundLogger, metrics: Metrics, budget: LineBudget) -> None:
        self._watchdog = watchdog
        self._log = log
        self._metrics = metrics
        self._budget = budget
        self._unread = Unread()

    def handler(
        self, method: str, run: Callable[[Call], bytes], *, quiet: bool = False
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Returns a handler for a unary method.

        Args:
            method: Its full name, for the log and the metrics.
            run: Returns the serialized response, or raises a `Refusal`.
            quiet: Whether its calls are logged at the level debug: for what is called every second.
        """
        tell = self._teller(method, quiet=quiet)

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            started = time.perf_counter()
            call = Call(requests, context, self._watchdog)
            refusal: Refusal | None = None
            response = b""
            try:
                call.read_headers()
                response = run(call)
                self._unread.hold(context, len(response), call.caller)
                context.set_trailing_metadata((("x-request-id", call.request_id),))
            except Refusal as expected:
                refusal = expected
            except Exception:  # noqa: BLE001
                refusal = self.unforeseen(method, call)
            try:
                tell(call, refusal, time.perf_counter() - started)
            except Exception:  # noqa: BLE001  (the answer does not depend on it)
                self._log.exception("call not counted", method=method, request_id=call.request_id)
            if refusal:
                # Raises. Outside the try blocks, which would swallow it.
                context.abort_with_status(self.status(refusal, method, call))
            return response

        # A stream of one message: as unary, grpcio would wait for the message before this could look at the headers.
        return grpc.stream_unary_rpc_method_handler(handle)

    def status(self, refusal: Refusal, method: str, call: Call) -> Status:
        """Returns what the caller of a refused call is told."""
        try:
            return status_of(refusal, call.request_id)
        except Exception:  # noqa: BLE001
            return status_of(self.unforeseen(method, call), call.request_id)

    def unforeseen(self, method: str, call: Call) -> Refusal:
        """Logs the exception that is being handled, and returns what its caller is told."""
        self._log.exception("unforeseen error", method=method, request_id=call.request_id)
        return Refusal(INTERNAL_ERROR)

    def _teller(self, method: str, *, quiet: bool) -> Callable[[Call, Refusal | None, float], None]:
        """Returns what counts and logs a method's calls: each with how it ended, and its seconds."""
        write = self._log.debug if quiet else self._log.info
        logged = self._log.is_enabled_for(logging.DEBUG if quiet else logging.INFO)
        metrics = self._metrics.method(method)

        def tell(call: Call, refusal: Refusal | None, seconds: float) -> None:
            code = refusal.kind.code if refusal else "ok"
            metrics.count(code, seconds)
            if refusal and refusal.kind in _CREDENTIAL_REFUSALS:
                # What is said of a JWT is one of a few sentences (auth.token).
                self._metrics.refuse(refusal.reason or code)
            # A flood of refusals cannot hide the calls of a stolen key.
            kind = "refused" if refusal else "granted"
            skipped = self._budget.take(kind, always=code == INTERNAL_ERROR.code) if logged else None
            if skipped is None:
                return
            more = {
                "trace_id": trace_id(call.values("traceparent")),
                "reason": refusal.reason if refusal else None,
                "skipped": skipped,
            }
            write(
                "call",
                method=method,
                code=code,
                request_id=call.request_id,
                organization=call.organization_id,
                key_id=call.principal.key_id if call.principal else None,
                subject=call.principal.subject if call.principal else None,
                ms=round(seconds * 1000, 3),
                **{name: value for name, value in more.items() if value},
            )

        return tell
