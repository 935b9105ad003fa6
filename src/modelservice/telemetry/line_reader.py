"""Reads what others write, line by line, so that they never wait for whoever reads the log."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Final

# In bytes: what is read at once, and the longest line. What is longer is cut.
_AT_ONCE: Final = 64 * 1024


class LineReader:
    """Reads a pipe in a thread of its own, to its end.

    Args:
        descriptor: The end to read from. It is closed at the pipe's end.
        take: Gets one or more whole lines at a time, each with its end. It must not block.
    """

    def __init__(self, descriptor: int, take: Callable[[bytes], object]) -> None:
        self._descriptor = descriptor
        self._take = take
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def close(self, patience: float = 1.0) -> None:
        """Waits for the pipe's end.

        Args:
            patience: How long that may take, in seconds: another process may hold the other end.
        """
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
        # Whatever goes wrong with some lines, the next must be read: a full pipe stops whoever writes.
        with contextlib.suppress(Exception):
            self._take(lines)
