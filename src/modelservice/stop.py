"""Signals that end or restart a process."""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

_STANDARD_ERROR: Final = 2


class Stop:
    """Turns signals into events: the first SIGTERM or SIGINT requests a drain, the second an immediate end.

    Args:
        restarts: Whether SIGHUP requests a restart rather than end the process. A SIGHUP because standard error's
            terminal is gone still counts as SIGTERM.

    Attributes:
        requested: Set by the first signal.
        hurried: Set by the second.
        restart: Set by SIGHUP. Clear it when the restart begins.
    """

    def __init__(self, *, restarts: bool = False) -> None:
        self.requested = threading.Event()
        self.hurried = threading.Event()
        self.restart = threading.Event()
        self._signals = {signal.SIGTERM, signal.SIGINT} | ({signal.SIGHUP} if restarts else set())
        self._terminal = os.isatty(_STANDARD_ERROR)

    def listen(self) -> None:
        """Starts to take the signals. Call it before any other thread starts, so that each inherits the mask.

        A thread waits for the blocked signals. A handler would run in the main thread between any two instructions: if
        that thread waits for the event or holds its lock, a handler that sets the event may be too late or deadlock.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    def give_up(self) -> None:
        """Requests an immediate end: there is nothing to drain."""
        self.hurried.set()
        self.requested.set()

    def _wait(self) -> None:
        for event in (self.requested, self.hurried):
            while signal.sigwait(self._signals) == signal.SIGHUP and not self._terminal_lost():
                self.restart.set()
            event.set()

    def _terminal_lost(self) -> bool:
        return self._terminal and not os.isatty(_STANDARD_ERROR)
