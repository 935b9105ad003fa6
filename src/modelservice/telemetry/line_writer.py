"""Writes lines to a file descriptor in a thread, so that no other thread waits for it."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

# In bytes: ten thousand lines, or what Envoy logs in a few seconds.
QUEUED_MAX: Final = 4 * 1024 * 1024
# In bytes, per write. A pipe takes up to PIPE_BUF atomically, even if other processes write to it.
_AT_ONCE: Final = 4096
# In seconds: how long lines wait for others to share their write.
_GATHER: Final = 0.01
# In seconds: between attempts while writing fails.
_RETRY: Final = 0.5
# In seconds: between reports of dropped lines while lines keep being dropped.
_REPORT_INTERVAL: Final = 1.0


class LineWriter:
    """A bounded queue of whole lines in front of a file descriptor, which stays open.

    `write` neither raises nor blocks. Lines that do not fit are dropped and counted. Queued lines are written once
    writing works again: the disk has room, the reader reads.

    Attributes:
        recovered: Called with the number of lines dropped since its last call, as soon as some line is written again.
            What it writes is never dropped.
    """

    def __init__(self, descriptor: int, queued_max: int = QUEUED_MAX) -> None:
        self._descriptor = descriptor
        self._queued_max = queued_max
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._queued = 0
        self._dropped = 0
        self._reported = 0
        self._reported_at = 0.0
        self._waiting = threading.Event()
        self._closed = threading.Event()
        self.recovered: Callable[[int], None] = lambda _: None
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines were dropped."""
        return self._dropped

    def write(self, text: str | bytes) -> int:
        """Queues one or more whole lines, each with its line break. Returns the length of the text."""
        data = text.encode(errors="backslashreplace") if isinstance(text, str) else text
        with self._lock:
            full = self._queued + len(data) > self._queued_max and threading.current_thread() is not self._thread
            if self._closed.is_set() or full:
                self._dropped += data.count(b"\n")
                return len(text)
            self._lines.append(data)
            self._queued += len(data)
        if not self._waiting.is_set():
            self._waiting.set()
        return len(text)

    def drop(self) -> None:
        """Counts a line that could not even be made."""
        with self._lock:
            self._dropped += 1

    def flush(self) -> None:
        """Does nothing, because no caller waits for lines to be written."""

    def isatty(self) -> bool:
        """Returns whether the lines go to a terminal."""
        return os.isatty(self._descriptor)

    def close(self, patience: float = 1.0) -> bool:
        """Stops accepting lines, and writes queued ones for up to `patience` seconds. The rest is lost.

        Returns:
            Whether the descriptor is no longer in use.
        """
        with self._lock:
            self._closed.set()
        self._waiting.set()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._waiting.wait()
            self._closed.wait(_GATHER)
            self._waiting.clear()
            while data := self._take():
                self._put(data)
                if time.monotonic() - self._reported_at >= _REPORT_INTERVAL:
                    self._report()
            if self._closed.is_set():
                return

    def _take(self) -> bytes:
        """Dequeues as many lines as fit into one write, or a single longer one."""
        with self._lock:
            taken = bytearray()
            while self._lines and (not taken or len(taken) + len(self._lines[0]) <= _AT_ONCE):
                taken += self._lines.popleft()
            self._queued -= len(taken)
        return bytes(taken)

    def _put(self, data: bytes) -> None:
        """Writes until all is written. A partly written line is continued, not repeated."""
        done = 0
        while done < len(data):
            # As many whole lines as fit into one write.
            end = (data.rfind(b"\n", done, done + _AT_ONCE) + 1) or (data.find(b"\n", done) + 1) or len(data)
            try:
                done += os.write(self._descriptor, data[done:end])
            except BlockingIOError:
                # Another process made the pipe non-blocking.
                with contextlib.suppress(OSError, ValueError):
                    select.select((), (self._descriptor,), (), _RETRY)
                if self._closed.is_set():
                    return
            except OSError:
                if self._closed.wait(_RETRY):
                    return

    def _report(self) -> None:
        dropped = self._dropped
        if dropped != self._reported:
            missing, self._reported, self._reported_at = dropped - self._reported, dropped, time.monotonic()
            with contextlib.suppress(Exception):
                self.recovered(missing)
