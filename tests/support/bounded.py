"""Runs code in a process that may take so much memory and CPU time, and no more."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from tests.support.harness import DEADLINE, ROOT

# In bytes of address space, and in seconds. A Python that has read a catalogue of 5,000 models needs a third of either.
MEMORY = 1024 * 1024 * 1024
CPU = 20


def run_bounded(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs Python code to its end. Beyond the memory it raises a MemoryError, beyond the CPU time it is killed."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU))

    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        preexec_fn=limit,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * DEADLINE,
    )
