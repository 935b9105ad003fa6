"""One process that this one starts, and its end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from modelservice.errors import EdgeError
from modelservice.telemetry.line_reader import LineReader

# In seconds: how often it is looked whether something has happened.
LOOK_INTERVAL: Final = 0.05
# In seconds: what a process may take to end, beyond its drain, before it is killed.
END_MAX: Final = 10.0

_PR_SET_PDEATHSIG: Final = 1
# Loaded here, so that nothing is between fork and exec.
_LIBC: Final = ctypes.CDLL(None)


# Gets some whole lines.
Take = Callable[[bytes], object]


class Child:
    """A process, from its start. To be started in the main thread: the kernel ties its life to the thread that did.

    Args:
        name: What messages call it.
        command: The program and its arguments.
        environment: Its environment; None for this process's own.
        core: The one core that it runs on, where the platform can do that; None for any.
        output: Takes what it writes on standard output, and on standard error, some whole lines at a time (see
            `LineReader`); None for both to be this process's own.

    Raises:
        EdgeError: It cannot be started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        core: int | None = None,
        output: tuple[Take, Take] | None = None,
    ) -> None:
        self.name = name
        pipes = [os.pipe() for _ in output or ()]
        # When it must have ended; None while nobody wants it to.
        self._deadline: float | None = None
        self._hurried = False
        try:
            # A group of their own, so that a terminal's Ctrl-C reaches this process alone, which then ends them in
            # order.
            self._process = subprocess.Popen(  # noqa: S603
                command,
                env=environment,
                stdout=pipes[0][1] if pipes else None,
                stderr=pipes[1][1] if pipes else None,
                process_group=0,
                preexec_fn=partial(_prepare, core),  # noqa: PLW1509  (no other thread loads libraries, or takes locks that this needs)
            )
        except OSError as error:
            for read, _ in pipes:
                os.close(read)
            raise EdgeError(f"cannot start {name}: {command[0]}: {os.strerror(error.errno or 0)}") from None
        finally:
            for _, write in pipes:
                os.close(write)
        self._readers = [LineReader(read, take) for (read, _), take in zip(pipes, output or (), strict=True)]

    def ended(self) -> str | None:
        """Returns how it has ended, in words; None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        for reader in self._readers:
            # Its last words come before what is said of its end.
            reader.close()
        return f"status {status}" if status >= 0 else signal.Signals(-status).name

    def terminate(self, patience: float) -> None:
        """Tells it to end, once: a second signal would hurry it.

        Args:
            patience: In how many seconds it must have ended.
        """
        if self._deadline is None:
            self._deadline = time.monotonic() + patience
            self._process.terminate()

    def hurry(self) -> None:
        """Tells it, again, to end at once. To be called all the time: two signals at once can arrive as one."""
        if self._deadline is not None and not self._hurried:
            self._hurried = True
            self._deadline = min(self._deadline, time.monotonic() + END_MAX)
        self._process.terminate()

    def kill_when_late(self) -> None:
        """Kills it when it should have ended by now."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._process.kill()


def end(children: Sequence[Child], patience: float, hurried: threading.Event) -> None:
    """Ends processes, all at the same time, and waits until they have ended.

    Args:
        children: Which.
        patience: In how many seconds they must end by themselves.
        hurried: Cuts that short.
    """
    for child in children:
        child.terminate(patience)
    while running := [child for child in children if child.ended() is None]:
        time.sleep(LOOK_INTERVAL)
        for child in running:
            if hurried.is_set():
                child.hurry()
            child.kill_when_late()


def _prepare(core: int | None) -> None:
    # Between fork and exec. This process blocks the signals that it waits for; its children are to hear them.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if sys.platform == "linux":
        # Should this process be killed outright, its children get a SIGTERM.
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if core is not None:
            # Where it may not be said, the process runs all the same, only slower.
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, {core})
