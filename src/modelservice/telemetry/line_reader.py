"""Reads a pipe line by line, so that its writers never wait for the reader of the log."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Final

# In bytes: one read, and the longest line. Longer lines are cut.
_AT_ONCE: Final = 64 * 1024


class LineReader:
    """Reads a pipe to its end, in a thread.

    Args:
        descriptor: The end to read from. The reader closes it at the pipe's end.
        take: Receives one or more whole lines, each with its line break. It must not block.
    """

    def __init__(self, descriptor: int, take: Callable[[bytes], object]) -> None:
        self._descriptor = descriptor
        self._take = take
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def close(self, patience: float = 1.0) -> None:
        """Waits up to `patience` seconds for the pipe's end: another process may hold its other end."""
        self._thread.join(patience)

    def _run(self) -> None:
        rest = b""
        with contextlib.closing(os.fdopen(self._descriptor, "rb", buffering=0)) as pipe:
            while data := pipe.read(_AT_ONCE):
                whole, end, rest = (rest + data).rpartition(b"\n")
                if len(rest) > _AT_ONCE:
                    whole, end, rest = whole + end + rest, b"\n", b""
                if end:
                    self._hand_over(whole + end)
            if rest:
                self._hand_over(rest + b"\n")

    def _hand_over(self, lines: bytes) -> None:
        # Keep reading whatever fails: a full pipe would block its writers.
        with contextlib.suppress(Exception):
            self._take(lines)
