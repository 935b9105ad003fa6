"""Waits for the one message of a call, but not for ever.

A synchronous gRPC server waits for a request's message inside a worker thread. A caller who opens calls and sends
nothing would hold them all, with no credential needed. So calls are taken as streams, authenticated from their headers,
and their message is waited for under a watchdog: one second, and much less when many wait.
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

# How long a caller may take to send its message after its headers, in seconds: clients send both at once.
PATIENCE: Final = 1.0
# The same while many wait: what comes first then is that threads are free. Long enough for messages that are on their
# way to a busy server.
PATIENCE_IN_A_CROWD: Final = 0.05


class Watchdog:
    """Cancels calls whose message does not arrive.

    Args:
        crowd: How many calls may wait with `PATIENCE`: fewer than there are threads.
        log: Where failures are reported.

    Attributes:
        task: The background task.
    """

    def __init__(self, crowd: int, log: FilteringBoundLogger) -> None:
        self._crowd = crowd
        self._lock = threading.Lock()
        # Since when each call waits, oldest first.
        self._waiting: dict[grpc.ServicerContext, float] = {}
        # Those who wait in a crowd may yet be served within the shorter time.
        self.task = Task("watchdog", self._cancel_late, PATIENCE / 4, log, cool_down=PATIENCE_IN_A_CROWD)
        self.task.start()

    def receive(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes | None:
        """Returns the call's message, or None when the caller sent none, or the call has ended."""
        with self._lock:
            self._waiting[context] = time.monotonic()
            if len(self._waiting) > self._crowd:
                self.task.wake()
        try:
            return next(requests, None)
        except Exception:  # noqa: BLE001  (grpc raises a bare Exception for a call that was cancelled)
            return None
        finally:
            with self._lock:
                del self._waiting[context]

    def close(self) -> None:
        """Stops watching."""
        self.task.close()

    def _cancel_late(self) -> None:
        now = time.monotonic()
        with self._lock:
            crowded = len(self._waiting) > self._crowd
            patience = PATIENCE_IN_A_CROWD if crowded else PATIENCE
            late = [context for context, since in self._waiting.items() if now - since >= patience]
            if crowded:
                self.task.wake()
        # All of them, even if one raises.
        with contextlib.ExitStack() as stack:
            for context in late:
                stack.callback(context.cancel)
