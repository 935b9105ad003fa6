"""How long this machine itself stands still: what a figure has to be seen against."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Self

_SLEEPER = """
import sys, time
longest = 0.0
print("begin", flush=True)
import select
while not select.select([sys.stdin], [], [], 0)[0]:
    begun = time.perf_counter()
    time.sleep(0.005)
    longest = max(longest, time.perf_counter() - begun - 0.005)
print(longest, flush=True)
"""


class Stalls:
    """A process that does nothing but sleep for 5 ms, again and again.

    Attributes:
        longest: By how much a sleep was too long at most, in seconds. Known when the block has ended.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SLEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "begin\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        printed, _ = self._process.communicate("end\n")
        self.longest = float(printed)
