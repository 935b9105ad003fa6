"""Writes lines to a file descriptor from a thread of its own, so that nobody else ever waits for it."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

# In bytes: what may wait to be written. Ten thousand lines, and what Envoy logs in some seconds.
QUEUED_MAX: Final = 4 * 1024 * 1024
# In bytes: what one write holds. Up to here a pipe takes it whole or not at all, whoever else writes there (PIPE_BUF).
_AT_ONCE: Final = 4096
# In seconds: how long lines wait for others to be written with them.
_GATHER: Final = 0.01
# In seconds: between two attempts to write, while nothing can be written.
_RETRY: Final = 0.5
# In seconds: between two reports of dropped lines, while more are dropped than written.
_REPORT_INTERVAL: Final = 1.0


class LineWriter:
    """A bounded queue of whole lines before a file descriptor.

    `write` neither raises nor blocks. A line that finds the queue full is dropped and counted. What waits is written
    once writing works again: a disk with room, a reader that reads.

    Args:
        descriptor: Where lines go. It stays open.
        queued_max: How much may wait, in bytes.

    Attributes:
        recovered: Called with the number of lines dropped since the last call, once some line is written again. What
            it writes is not dropped.
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
        """Queues one or more whole lines, each with its end. Returns the length of the text."""
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
        """Counts a line that never came this far."""
        with self._lock:
            self._dropped += 1

    def flush(self) -> None:
        """Does nothing: lines are written soon enough, and nobody waits for them."""

    def isatty(self) -> bool:
        """Says whether the lines are read on a terminal."""
        return os.isatty(self._descriptor)

    def close(self, patience: float = 1.0) -> bool:
        """Writes what is queued, and takes no more.

        Args:
            patience: How long that may take, in seconds. What is left then is lost.

        Returns:
            Whether nothing uses the descriptor any more.
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
        """Takes as many lines as go into one write, or a single longer one."""
        with self._lock:
            taken = bytearray()
            while self._lines and (not taken or len(taken) + len(self._lines[0]) <= _AT_ONCE):
                taken += self._lines.popleft()
            self._queued -= len(taken)
        return bytes(taken)

    def _put(self, data: bytes) -> None:
        """Writes, for as long as it takes. A line of which a part was written is continued, not begun again."""
        done = 0
        while done < len(data):
            # Whole lines, as many as go into one write.
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
