"""Background work that cannot die unnoticed: every thread that repeats something runs a `Task`."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final

from structlog.typing import FilteringBoundLogger

# In seconds: the longest pause after unexpected failures, unless the task's cool-down is longer.
_BACKOFF_MAX: Final = 10.0
# Such pauses vary by this factor, so that servers that fail together do not retry together.
_JITTER: Final = 0.5


class ReportedError(Exception):
    """A step failed and has logged it. The task counts the failure and retries after the cool-down."""


class Task:
    """Repeats a step in its own thread, whatever the step raises.

    A failure is logged once per place that raises it, until the step succeeds again. Unexpected failures are retried
    with exponential backoff.

    Args:
        name: The name of the thread, and of the task in the log and the metrics.
        step: The work. It returns when nothing is left to do until the next step.
        interval: Seconds between two steps.
        log: Where failures are reported.
        cool_down: Minimum seconds between two steps, after a failure or when `wake` asks for one; default `interval`.

    Attributes:
        failures: How many steps failed.
        failures_in_a_row: How many of them since the last success.
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
        """Starts the thread, which runs the first step at once."""
        self._thread.start()

    def wake(self) -> None:
        """Requests the next step as soon as the cool-down allows."""
        self._woken.set()

    def close(self, patience: float = 1.0) -> None:
        """Ends the task. Waits up to `patience` seconds for a running step."""
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
        """Runs the step. Returns the minimum pause before the next, in seconds."""
        try:
            self._step()
        # Not only Exception: anything that escapes would end the thread silently.
        except BaseException as error:  # noqa: BLE001
            self.failures += 1
            self.failures_in_a_row += 1
            if isinstance(error, ReportedError):
                return self._cool_down
            self._report(error)
            backoff = min(self._cool_down * 2.0 ** min(self.failures_in_a_row - 1, 20), _BACKOFF_MAX)
            return max(backoff, self._cool_down) * random.uniform(1, 1 + _JITTER)  # noqa: S311  (no secret)
        if self._reported:
            self._reported.clear()
            self._write("info", "task recovered", failures=self.failures_in_a_row)
        self.failures_in_a_row = 0
        return self._cool_down

    def _report(self, error: BaseException) -> None:
        # By place, not by text: a text may contain a number that differs each time.
        failure = (type(error), _place(error.__traceback__))
        if failure not in self._reported:
            self._reported.add(failure)
            self._write("exception", "task failed")

    def _write(self, level: str, message: str, **fields: object) -> None:
        with contextlib.suppress(Exception):
            getattr(self._log, level)(message, task=self.name, **fields)


def _place(traceback: TracebackType | None) -> object:
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return traceback and (traceback.tb_frame.f_code, traceback.tb_lineno)
