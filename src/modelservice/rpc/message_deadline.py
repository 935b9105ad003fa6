"""Bounds how long a call may wait for its request message.

A synchronous gRPC server waits for the message in a worker thread, so clients that open calls and send nothing could
occupy every thread, without any credential. Calls are therefore taken as streams and authenticated from their headers,
and their message has a deadline: one second, and much less while many calls wait.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final

import grpc
from structlog.typing import FilteringBoundLogger

from modelservice.background import Task
from modelservice.errors import TIMEOUT, Refusal

# In seconds after the headers. Clients send both at once.
_DEADLINE: Final = 1.0
# In seconds, while too many calls wait: enough for messages on their way to a busy server.
_DEADLINE_CROWDED: Final = 0.05


class MessageDeadline:
    """Cancels calls whose message does not arrive in time.

    Args:
        crowd: How many calls may wait with the long deadline; fewer than there are threads.
        log: Where failures are reported.
    """

    def __init__(self, crowd: int, log: FilteringBoundLogger) -> None:
        self._crowd = crowd
        self._lock = threading.Lock()
        # When each call began to wait, oldest first.
        self._waiting: dict[grpc.ServicerContext, float] = {}
        # While crowded, calls are checked at the short deadline's pace, so that some still arrive in time.
        self.task = Task("message_deadline", self._cancel_late, _DEADLINE / 4, log, cool_down=_DEADLINE_CROWDED)
        self.task.start()

    def receive(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes | None:
        """Returns the call's message, or None if the caller sent none or the call has ended.

        Raises:
            Refusal: `TIMEOUT`: the call's own deadline has passed.
        """
        message = self._next(requests, context)
        remaining = context.time_remaining()
        if remaining is not None and remaining <= 0:
            raise Refusal(TIMEOUT)
        return message

    def _next(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes | None:
        with self._lock:
            self._waiting[context] = time.monotonic()
            if len(self._waiting) > self._crowd:
                self.task.wake()
        try:
            return next(requests, None)
        except Exception:  # noqa: BLE001  (grpc raises a bare Exception for a cancelled call)
            return None
        finally:
            with self._lock:
                del self._waiting[context]

    def _cancel_late(self) -> None:
        now = time.monotonic()
        with self._lock:
            crowded = len(self._waiting) > self._crowd
            deadline = _DEADLINE_CROWDED if crowded else _DEADLINE
            late = [context for context, since in self._waiting.items() if now - since >= deadline]
            if crowded:
                self.task.wake()
        # All of them, even if one raises.
        with contextlib.ExitStack() as stack:
            for context in late:
                stack.callback(context.cancel)
