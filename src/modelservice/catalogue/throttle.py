"""Long work in the background that leaves the interpreter to requests.

A busy Python thread beside the handlers makes each of them wait, for as long as the interpreter lets it run on.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from typing import Final

# In seconds. In the laboratory this kept the slowest requests at 2 ms, where work without pauses made them wait 32 ms.
_SLICE: Final = 0.002
_PAUSE: Final = 0.002
# Entries that are freed in less than a millisecond.
_AT_A_TIME: Final = 200


class Pace:
    """Pauses between slices of work.

    Args:
        hurried: Whether to make no pauses: while nobody is served yet, say.
    """

    def __init__(self, *, hurried: bool) -> None:
        self._hurried = hurried
        self._begun = time.thread_time()

    def __call__(self) -> None:
        """Pauses when the slice is over. To be called after every millisecond of work or so."""
        # The thread's own time: while it waits for the database, others work anyway.
        if not self._hurried and time.thread_time() - self._begun >= _SLICE:
            time.sleep(_PAUSE)
            self._begun = time.thread_time()


def let_go(items: list[object], pause: Callable[[], None]) -> None:
    """Drops what is not needed any more, a little at a time: to free 200,000 entries at once takes 100 ms.

    Args:
        items: The only references to the things; empty afterwards.
        pause: Called between them.
    """
    while items:
        del items[-_AT_A_TIME:]
        pause()


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Holds the garbage collector back.

    What is made here stays, and a full collection would look at all of it: 200,000 entries stop the process for 100 to
    200 ms.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def keep_out_of_collections() -> None:
    """Lets the garbage collector never look again at anything that is there now."""
    gc.freeze()
