"""Background work that cannot die unseen: every thread that does something again and again runs a `Task`."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final

from structlog.typing import FilteringBoundLogger

# The longest pause after failures that nobody foresaw, in seconds, unless the task's own is longer.
_BACKOFF_MAX: Final = 10.0
# Pauses after such failures are up to this much longer, so that servers that fail together do not retry together.
_JITTER: Final = 0.5
# How long the end of a task waits for a step under way, in seconds.
_END: Final = 1.0


class ReportedError(Exception):
    """A step failed, and has said so in the log itself. It is counted, and tried again after the shortest pause."""


class Task:
    """Runs a step again and again in a thread of its own, whatever the step raises.

    A failure is logged once for each place that it is raised at, until the step succeeds again. Failures that nobody
    foresaw are retried with exponential backoff.

    Args:
        name: Names the thread, and the task in the log and in metrics.
        step: The work. It returns when there is nothing to do until the next step.
        interval: Between two steps, in seconds.
        log: Where failures are reported. It may fail, too.
        cool_down: The least between two steps, in seconds, when `wake` asks for one or the last one failed. None for
            the interval.

    Attributes:
        name: Its name.
        failures: How many steps failed.
        failures_in_a_row: How many since the last one that succeeded.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], None],
        interval: float,
        log: FilteringBoundLogger,
        *,
        cool_down: float | None = None,
    ) -> None:
        self.name = name
        self.failures = 0
        self.failures_in_a_row = 0
        self._step = step
        self._interval = interval
        self._cool_down = interval if cool_down is None else cool_down
        self._log = log
        self._reported: set[object] = set()
        self._woken = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def failing(self) -> bool:
        """Whether the last step failed."""
        return self.failures_in_a_row > 0

    def start(self) -> None:
        """Starts the first step at once."""
        self._thread.start()

    def wake(self) -> None:
        """Asks for the next step as soon as the cool-down allows."""
        self._woken.set()

    def close(self, patience: float = _END) -> None:
        """Ends the task. A step under way is waited for, but not for long.

        Args:
            patience: How long, in seconds.
        """
        self._closed.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(patience)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._woken.clear()
            pause = self._attempt()
            if not self._closed.wait(pause) and not self.failing:
                self._woken.wait(self._interval - pause)

    def _attempt(self) -> float:
        """Runs the step. Returns how long to pause at least, in seconds."""
        try:
            self._step()
        except ReportedError:
            self._count()
            return self._cool_down
        # Not only Exception: whatever leaves the step would end the thread without a word.
        except BaseException as error:  # noqa: BLE001
            self._count()
            self._report(error)
            backoff = min(self._cool_down * 2.0 ** min(self.failures_in_a_row - 1, 20), _BACKOFF_MAX)
            return max(backoff, self._cool_down) * random.uniform(1, 1 + _JITTER)  # noqa: S311  (no secret)
        if self._reported:
            self._reported.clear()
            self._say("info", "the task works again", failures=self.failures_in_a_row)
        self.failures_in_a_row = 0
        return self._cool_down

    def _count(self) -> None:
        self.failures += 1
        self.failures_in_a_row += 1

    def _report(self, error: BaseException) -> None:
        # By place rather than text: a text may hold a number that is another each time.
        failure = (type(error), _place(error.__traceback__))
        if failure not in self._reported:
            self._reported.add(failure)
            self._say("exception", "the task failed")

    def _say(self, level: str, message: str, **fields: object) -> None:
        with contextlib.suppress(Exception):
            getattr(self._log, level)(message, task=self.name, **fields)


def _place(traceback: TracebackType | None) -> object:
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return traceback and (traceback.tb_frame.f_code, traceback.tb_lineno)
