"""The boundary: every call passes it, and every failure leaves it as a documented error.

grpcio would send a caller the text and class of an exception. Handlers here take raw bytes, so that even decoding
happens inside the boundary.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

import grpc
from structlog.typing import FilteringBoundLogger

from modelservice import errors
from modelservice.errors import Refusal
from modelservice.rpc.call import Call, Metadata, trace_id
from modelservice.rpc.inline import run_inline
from modelservice.rpc.message_deadline import MessageDeadline
from modelservice.rpc.send_budget import LONG, SendBudget
from modelservice.rpc.status import Status, status_of
from modelservice.telemetry import LineBudget
from modelservice.telemetry.metrics import Metrics

_CREDENTIAL_REFUSALS: Final = (errors.INVALID_API_KEY, errors.INVALID_TOKEN, errors.ACCESS_DENIED)

# Returns a refusal as a response, or None if it must be sent as a status.
Shape: TypeAlias = Callable[[Call, Refusal], bytes | None]
# Counts and logs a call, given its refusal and its seconds.
Record: TypeAlias = Callable[[Call, Refusal | None, float], None]
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


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
        self, method: str, run: Callable[[Call], bytes], *, quiet: bool = False, shape: Shape | None = None
    ) -> Handler:
        """Returns a handler for a unary method.

        Args:
            method: Its full name, for the log and the metrics.
            run: Returns the serialized response, or raises a `Refusal`.
            quiet: Log calls at level debug, because clients call the method every second.
            shape: Shapes refusals; None sends all of them as statuses.
        """
        record = self._recorder(method, quiet=quiet)

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            started = time.perf_counter()
            call = Call(partial(self._deadline.receive, requests, context))
            refusal: Refusal | None = None
            response: bytes | None = None
            try:
                call.read_headers(context.invocation_metadata())
                response = run(call)
                self._send_budget.spend(context, len(response), call.caller)
                if shape is None:
                    context.set_trailing_metadata((("x-request-id", call.request_id),))
            except Exception as error:  # noqa: BLE001
                refusal = self.refusal_of(error, method, call)
                response = self._shaped(refusal, method, call, shape)
            self._record(record, method, call, refusal, started)
            if response is None and refusal:
                # Raises, so it is outside the try blocks.
                context.abort_with_status(self.status(refusal, method, call))
            return response or b""

        # A stream of one message: for a unary call, grpcio would wait for the message before it shows the headers.
        return grpc.stream_unary_rpc_method_handler(handle)

    def ready_finder(
        self, method: str, run: Callable[[Call], bytes], shape: Shape
    ) -> Callable[[Metadata], Handler | None]:
        """Returns a function that finds a short ready answer, or a shaped refusal, given a call's metadata.

        It returns a handler that sends it in gRPC's own thread (`rpc.inline`), or None: the handler of all calls must
        run, which also reports what is wrong.

        Args:
            method: The method's full name, for the log and the metrics.
            run: Returns the serialized response, or raises a `Refusal` or a `NotReadyError`. It must be quick, and has
                no message.
            shape: Shapes refusals.
        """
        record = self._recorder(method)

        def find_ready(metadata: Metadata) -> Handler | None:
            started = time.perf_counter()
            call = Call()
            refusal: Refusal | None = None
            found: bytes | None = None
            try:
                call.read_headers(metadata)
                found = run(call)
            except Refusal as refused:
                refusal = refused
                found = self._shaped(refused, method, call, shape)
            except Exception:  # noqa: BLE001
                return None
            if found is None or len(found) >= LONG:
                return None
            response = found

            def handle(_requests: Iterator[bytes], _context: grpc.ServicerContext) -> bytes:
                self._record(record, method, call, refusal, started)
                return response

            return grpc.stream_unary_rpc_method_handler(run_inline(handle))

        return find_ready

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

    def _shaped(self, refusal: Refusal, method: str, call: Call, shape: Shape | None) -> bytes | None:
        try:
            return shape(call, refusal) if shape else None
        except Exception as error:  # noqa: BLE001  (it is sent as a status instead)
            self.refusal_of(error, method, call)
            return None

    def _record(self, record: Record, method: str, call: Call, refusal: Refusal | None, started: float) -> None:
        try:
            record(call, refusal, time.perf_counter() - started)
        except Exception:  # noqa: BLE001  (the answer does not depend on it)
            self._log.exception("call not recorded", method=method, request_id=call.request_id)

    def _recorder(self, method: str, *, quiet: bool = False) -> Record:
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
