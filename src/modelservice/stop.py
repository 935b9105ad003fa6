"""How a process is told to end."""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

STOP_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_STANDARD_ERROR: Final = 2


class Stop:
    """What SIGTERM and SIGINT (Ctrl-C) ask for: the first to drain and end, a second one to end at once.

    Args:
        restarts: Whether SIGHUP asks for a restart. Otherwise it ends the process, as always. It asks for the end, too,
            when it says that the terminal is gone to which the log was written.

    Attributes:
        requested: Set by the first.
        hurried: Set by the second.
        restart: Set by SIGHUP. Whoever sees to it clears it.
    """

    def __init__(self, *, restarts: bool = False) -> None:
        self.requested = threading.Event()
        self.hurried = threading.Event()
        self.restart = threading.Event()
        self._signals = STOP_SIGNALS | {signal.SIGHUP} if restarts else STOP_SIGNALS
        self._terminal = os.isatty(_STANDARD_ERROR)

    def listen(self) -> None:
        """Takes the signals from now on. To be called before any other thread is started.

        The signals are blocked, and a thread waits for them. A handler would run in the main thread, between any two
        of its instructions: while that thread waits for an event, or holds its lock, a handler that sets the event can
        come too late or wait for ever.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    def give_up(self) -> None:
        """Asks for the end at once: there is nothing to drain."""
        self.hurried.set()
        self.requested.set()

    def _wait(self) -> None:
        for event in (self.requested, self.hurried):
            while signal.sigwait(self._signals) == signal.SIGHUP and not self._hung_up():
                self.restart.set()
            event.set()

    def _hung_up(self) -> bool:
        return self._terminal and not os.isatty(_STANDARD_ERROR)
