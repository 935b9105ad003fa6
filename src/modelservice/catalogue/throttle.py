"""Throttles long background work: a busy thread delays every request handler."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from typing import Final

# In seconds. Measured: the slowest requests take 2 ms with these pauses, and 32 ms without pauses.
_SLICE: Final = 0.002
_PAUSE: Final = 0.002
# Freeing this many entries takes less than a millisecond.
_BATCH: Final = 200


class Throttle:
    """Sleeps between slices of work. Call it after every millisecond of work or so.

    Args:
        enabled: False while no requests are served.
    """

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._begun = time.thread_time()

    def __call__(self) -> None:
        """Sleeps if the slice is used up."""
        # CPU time of this thread: waiting for the database delays no handler.
        if self._enabled and time.thread_time() - self._begun >= _SLICE:
            time.sleep(_PAUSE)
            self._begun = time.thread_time()


def free_in_batches(items: list[object], throttle: Callable[[], None]) -> None:
    """Empties a list that holds the only references to its items. Freeing 200,000 entries at once takes 100 ms."""
    while items:
        del items[-_BATCH:]
        throttle()


@contextlib.contextmanager
def garbage_collector_paused() -> Iterator[None]:
    """Pauses the garbage collector: a full collection of 200,000 new entries stops the process for 100 to 200 ms."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def exempt_from_collections() -> None:
    """Exempts all objects that exist now from garbage collection."""
    gc.freeze()
