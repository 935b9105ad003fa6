"""The boundary: every call passes it, and every failure leaves it as a documented error.

grpcio would send a caller the text and class of an exception. Handlers here take raw bytes, so that even decoding
happens inside the boundary.
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

from modelservice import errors
from modelservice.domain.principal import Principal
from modelservice.errors import Refusal
from modelservice.rpc.message_deadline import MessageDeadline
from modelservice.rpc.send_budget import SendBudget
from modelservice.rpc.status import Status, status_of
from modelservice.telemetry import LineBudget
from modelservice.telemetry.metrics import Metrics

# In bytes. The longest useful request names a model of 256 characters.
REQUEST_BYTES_MAX: Final = 64 * 1024
_REQUEST_ID_SHAPE: Final = re.compile(r"[!-~]{1,128}")
# Version, trace, parent, flags. Later versions may append more. Ids of only zeros are invalid.
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT_SHAPE: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?"
)
_CREDENTIAL_REFUSALS: Final = (errors.INVALID_API_KEY, errors.INVALID_TOKEN, errors.ACCESS_DENIED)

M = TypeVar("M", bound=Message)


class Call:
    """One call, as its handler sees it.

    Attributes:
        principal: The caller; set by the handler, for the log.
        organization_id: The organization that the call reads for; likewise.
        request_id: The caller's `x-request-id`, or a generated one.
    """

    def __init__(self, requests: Iterator[bytes], context: grpc.ServicerContext, deadline: MessageDeadline) -> None:
        self._requests = requests
        self._context = context
        self._deadline = deadline
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
        """The name of the credential; empty without one."""
        return (self.principal.key_id or self.principal.subject or "") if self.principal else ""

    def values(self, key: str) -> Sequence[str | bytes]:
        """Returns every value of a metadata key, in the order sent."""
        return self._values.get(key, ())

    def receive(self, message_type: type[M]) -> M:
        """Returns the request.

        Raises:
            Refusal: `INVALID_REQUEST`: it is missing or cannot be decoded; `REQUEST_TOO_LARGE`; `TIMEOUT`.
        """
        data = self._deadline.receive(self._requests, self._context)
        remaining = self._context.time_remaining()
        if remaining is not None and remaining <= 0:
            raise Refusal(errors.TIMEOUT)
        if data is None:
            raise Refusal(errors.INVALID_REQUEST, "The request message is missing")
        if len(data) > REQUEST_BYTES_MAX:
            raise Refusal(errors.REQUEST_TOO_LARGE)
        try:
            return message_type.FromString(data)
        except DecodeError:
            raise Refusal(errors.INVALID_REQUEST, "The request message cannot be decoded") from None

    def _request_id(self) -> str:
        given = self.values("x-request-id")
        if given and isinstance(given[0], str) and _REQUEST_ID_SHAPE.fullmatch(given[0]):
            return given[0]
        # Not uuid4: its system call releases the GIL each time. The id need not be secret.
        return str(uuid.UUID(int=random.getrandbits(128), version=4))


class Boundary:
    """Makes handlers that fail only with documented errors, and that log and count each call."""

    def __init__(
        self, deadline: MessageDeadline, log: FilteringBoundLogger, metrics: Metrics, budget: LineBudget
    ) -> None:
        self._deadline = deadline
        self._log = log
        self._metrics = metrics
        self._line_budget = budget
        self._send_budget = SendBudget()

    def handler(
        self, method: str, run: Callable[[Call], bytes], *, quiet: bool = False
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Returns a handler for a unary method.

        Args:
            method: Its full name, for the log and the metrics.
            run: Returns the serialized response, or raises a `Refusal`.
            quiet: Log calls at level debug, because clients call the method every second.
        """
        record = self._recorder(method, quiet=quiet)

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            started = time.perf_counter()
            call = Call(requests, context, self._deadline)
            refusal: Refusal | None = None
            response = b""
            try:
                call.read_headers()
                response = run(call)
                self._send_budget.spend(context, len(response), call.caller)
                context.set_trailing_metadata((("x-request-id", call.request_id),))
            except Exception as error:  # noqa: BLE001
                refusal = self.refusal_of(error, method, call)
            try:
                record(call, refusal, time.perf_counter() - started)
            except Exception:  # noqa: BLE001  (the answer does not depend on it)
                self._log.exception("call not recorded", method=method, request_id=call.request_id)
            if refusal:
                # Raises, so it is outside the try blocks.
                context.abort_with_status(self.status(refusal, method, call))
            return response

        # A stream of one message: for a unary call, grpcio would wait for the message before it shows the headers.
        return grpc.stream_unary_rpc_method_handler(handle)

    def status(self, refusal: Refusal, method: str, call: Call) -> Status:
        """Returns the status of a refused call."""
        try:
            return status_of(refusal, call.request_id)
        except Exception as error:  # noqa: BLE001
            return status_of(self.refusal_of(error, method, call), call.request_id)

    def refusal_of(self, error: Exception, method: str, call: Call) -> Refusal:
        """Returns an exception as a refusal. Logs it if it is unexpected, and must be called while it is handled."""
        if isinstance(error, Refusal):
            return error
        self._log.exception("unexpected error", method=method, request_id=call.request_id)
        return Refusal(errors.INTERNAL_ERROR)

    def _recorder(self, method: str, *, quiet: bool) -> Callable[[Call, Refusal | None, float], None]:
        """Returns a function that counts and logs one call of a method, given its refusal and its seconds."""
        write = self._log.debug if quiet else self._log.info
        logged = self._log.is_enabled_for(logging.DEBUG if quiet else logging.INFO)
        count = self._metrics.counter(method)

        def record(call: Call, refusal: Refusal | None, seconds: float) -> None:
            code = refusal.kind.code if refusal else "ok"
            count(code, seconds)
            if refusal and refusal.kind in _CREDENTIAL_REFUSALS:
                # The reason for refusing a JWT is one of a few sentences (auth.token).
                self._metrics.count_refused_credential(refusal.reason or code)
            # Separate budgets: a flood of refusals must not hide the calls of a stolen key.
            kind = "refused" if refusal else "granted"
            skipped = self._line_budget.take(kind, always=code == errors.INTERNAL_ERROR.code) if logged else None
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

        return record


def trace_id(traceparents: Sequence[str | bytes]) -> str | None:
    """Returns the trace id of a call, or None if its `traceparent` is missing or malformed."""
    # gRPC passes at most one.
    match = _TRACEPARENT_SHAPE.fullmatch(str(traceparents[0])) if traceparents else None
    if match is None or (match[1] == "00" and match[3] is not None):
        return None
    return match[2]
