"""Bounds the answers that lie here because nobody reads them.

An answer that is handed over lies in gRPC's memory until its caller has taken it. Callers who ask for long lists and
read nothing would fill it. So the bytes of long answers are counted while their calls last. Beyond the bound a call
waits for a moment, as others take theirs; then it is refused, and answers that have lain for long are given up.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from functools import partial
from typing import Final, NamedTuple

import grpc

from modelservice.errors import RATE_LIMITED, Refusal

# In bytes. Shorter answers are not counted: calls at a time are bounded (rpc.server).
LONG: Final = 64 * 1024
# In bytes: what a long answer counts for at least, as its call takes the place of another.
_COUNTED_MIN: Final = 1024 * 1024
# In bytes: of all answers at a time, and of one caller's.
BYTES_MAX: Final = 64 * 1024 * 1024
SHARE_MAX: Final = BYTES_MAX // 2
# For how long a call waits for room, in seconds, and how many may: each holds a thread.
PATIENCE: Final = 2.0
_WAITING_MAX: Final = 64
# How long an answer may lie while others want its room, in seconds.
_AGE_MAX: Final = 5.0


class _Answer(NamedTuple):
    size: int
    caller: str
    since: float


class Unread:
    """Counts the bytes of long answers that are under way."""

    def __init__(self) -> None:
        self._room = threading.Condition()
        self._answers: dict[grpc.ServicerContext, _Answer] = {}
        self._callers: Counter[str] = Counter()
        self._bytes = 0
        self._waiting = 0

    def hold(self, context: grpc.ServicerContext, size: int, caller: str) -> None:
        """Counts an answer until its call ends.

        Args:
            context: Of the call.
            size: Of the answer, in bytes.
            caller: Names the credential: one has a share of the room. A single answer always finds room in it.

        Raises:
            Refusal: `RATE_LIMITED`: there is no room.
        """
        if size < LONG:
            return
        size = max(size, _COUNTED_MIN)
        with self._room:
            if not self._fits(size, caller):
                self._wait(size, caller)
            self._answers[context] = _Answer(size, caller, time.monotonic())
            self._callers[caller] += size
            self._bytes += size
        if not context.add_callback(partial(self._release, context)):
            self._release(context)

    def _fits(self, size: int, caller: str) -> bool:
        own = self._callers[caller]
        return (not self._bytes or self._bytes + size <= BYTES_MAX) and (not own or own + size <= SHARE_MAX)

    def _wait(self, size: int, caller: str) -> None:
        now = time.monotonic()
        for context in [context for context, answer in self._answers.items() if now - answer.since > _AGE_MAX]:
            # Its end is told in another thread.
            context.cancel()
        found = False
        if self._waiting < _WAITING_MAX:
            self._waiting += 1
            found = self._room.wait_for(lambda: self._fits(size, caller), PATIENCE)
            self._waiting -= 1
        if not found:
            raise Refusal(RATE_LIMITED, reason="answers that nobody reads")

    def _release(self, context: grpc.ServicerContext) -> None:
        with self._room:
            answer = self._answers.pop(context)
            self._bytes -= answer.size
            self._callers[answer.caller] -= answer.size
            if not self._callers[answer.caller]:
                del self._callers[answer.caller]
            self._room.notify_all()
