"""Bounds the memory of answers that callers do not read.

gRPC keeps an answer in memory until its caller has read it, so callers that request long lists and read nothing would
fill the memory. The bytes of long answers are therefore counted until their calls end. When the budget is used up, a
call waits a moment for others to finish, and old unread answers are cancelled; then the call is refused.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Final, NamedTuple

import grpc

from modelservice.errors import RATE_LIMITED, Refusal

# In bytes. Shorter answers are free: the number of concurrent calls is bounded (rpc.server).
LONG: Final = 64 * 1024
# In bytes: the least that a long answer counts, because it also occupies a call.
_COUNTED_MIN: Final = 1024 * 1024
# In bytes: the budget of all callers, and of one.
_BUDGET: Final = 64 * 1024 * 1024
_CALLER_BUDGET: Final = _BUDGET // 2
# How long a call waits for room, in seconds, and how many may wait: each occupies a thread.
_WAIT: Final = 2.0
_WAITING_MAX: Final = 64
# In seconds: how old an unread answer may become while others need its room.
_AGE_MAX: Final = 5.0


class _Answer(NamedTuple):
    size: int
    caller: str
    since: float


class SendBudget:
    """Counts the bytes of long answers until their calls end."""

    def __init__(self) -> None:
        self._room = threading.Condition()
        self._answers: dict[grpc.ServicerContext, _Answer] = {}
        self._waiting = 0

    def spend(self, context: grpc.ServicerContext, size: int, caller: str) -> None:
        """Counts an answer of `size` bytes until its call ends. An answer always fits if it is the only one.

        Args:
            context: The call.
            size: Of the answer, in bytes.
            caller: The credential's name; each has its own share of the budget.

        Raises:
            Refusal: `RATE_LIMITED`: the budget is used up.
        """
        if size < LONG:
            return
        size = max(size, _COUNTED_MIN)
        with self._room:
            if not self._fits(size, caller):
                self._wait(size, caller)
            self._answers[context] = _Answer(size, caller, time.monotonic())
        if not context.add_callback(partial(self._release, context)):
            self._release(context)

    def _fits(self, size: int, caller: str) -> bool:
        # At most 64 answers: each counts at least 1 MiB.
        total = sum(answer.size for answer in self._answers.values())
        own = sum(answer.size for answer in self._answers.values() if answer.caller == caller)
        return (not total or total + size <= _BUDGET) and (not own or own + size <= _CALLER_BUDGET)

    def _wait(self, size: int, caller: str) -> None:
        now = time.monotonic()
        for context in [context for context, answer in self._answers.items() if now - answer.since > _AGE_MAX]:
            # Its callback runs in another thread.
            context.cancel()
        found = False
        if self._waiting < _WAITING_MAX:
            self._waiting += 1
            found = self._room.wait_for(lambda: self._fits(size, caller), _WAIT)
            self._waiting -= 1
        if not found:
            raise Refusal(RATE_LIMITED, reason="unread answers")

    def _release(self, context: grpc.ServicerContext) -> None:
        with self._room:
            del self._answers[context]
            self._room.notify_all()
