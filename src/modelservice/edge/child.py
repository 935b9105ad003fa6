"""A child process, from its start to its end."""

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

# In seconds: how often processes are polled.
POLL_INTERVAL: Final = 0.05
# In seconds: how long a process may take to exit, in addition to its drain, before it is killed.
END_MAX: Final = 10.0

_PR_SET_PDEATHSIG: Final = 1
# Loaded here, not between fork and exec.
_LIBC: Final = ctypes.CDLL(None)


class Child:
    """A process. Start it in the main thread: the kernel ends it when the thread that started it ends.

    Args:
        name: Its name in messages.
        command: The program and its arguments.
        environment: Its environment.
        core: The core to pin it to, where the platform can.
        output: Take whole lines of its standard output and standard error (see `LineReader`). By default it shares
            this process's.

    Raises:
        EdgeError: It cannot be started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        core: int | None = None,
        output: tuple[Callable[[bytes], object], Callable[[bytes], object]] | None = None,
    ) -> None:
        pipes = [os.pipe() for _ in output or ()]
        # When it must have ended; None until it is told to.
        self._deadline: float | None = None
        self._hurried = False
        try:
            # A process group of its own, so that a terminal's Ctrl-C only reaches this process, which ends its children
            # in order.
            self._process = subprocess.Popen(  # noqa: S603
                command,
                env=environment,
                stdout=pipes[0][1] if pipes else None,
                stderr=pipes[1][1] if pipes else None,
                process_group=0,
                preexec_fn=partial(_prepare, core),  # noqa: PLW1509  (no other thread loads libraries or holds a lock that this needs)
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
        """Returns its exit status or signal, in words; None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        for reader in self._readers:
            # Its last lines precede the message about its end.
            reader.close()
        return f"status {status}" if status >= 0 else signal.Signals(-status).name

    def terminate(self, patience: float) -> None:
        """Sends SIGTERM, once: a second signal would hurry it. It must end within `patience` seconds."""
        if self._deadline is None:
            self._deadline = time.monotonic() + patience
            self._process.terminate()

    def hurry(self) -> None:
        """Sends SIGTERM again, to end it at once. Call it in a loop: two signals in a row can arrive as one."""
        if self._deadline is not None and not self._hurried:
            self._hurried = True
            self._deadline = min(self._deadline, time.monotonic() + END_MAX)
        self._process.terminate()

    def kill_when_late(self) -> None:
        """Kills it after its deadline."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._process.kill()


def end(children: Sequence[Child], patience: float, hurried: threading.Event) -> None:
    """Ends processes in parallel and waits for them: `patience` seconds, less once `hurried` is set."""
    for child in children:
        child.terminate(patience)
    while running := [child for child in children if child.ended() is None]:
        time.sleep(POLL_INTERVAL)
        for child in running:
            if hurried.is_set():
                child.hurry()
            child.kill_when_late()


def _prepare(core: int | None) -> None:
    # Between fork and exec. This process blocks the signals that it waits for; its children must receive them.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if sys.platform == "linux":
        # If this process is killed, its children get SIGTERM.
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if core is not None:
            # Where pinning is forbidden, the process runs anyway, only slower.
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, {core})
