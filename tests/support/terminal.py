"""A terminal of a test's own: a real one, as wide as the test says."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import termios

from tests.support.harness import DEADLINE, Place


def on_a_terminal(place: Place, *arguments: str, columns: int = 80) -> list[str]:
    """Runs a `modelservice` command on a terminal, and returns the lines that it shows there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    environment = {name: value for name, value in place.environment.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "modelservice", *arguments]
    shown = b""
    with subprocess.Popen(
        command,
        env=environment | {"TERM": "xterm"},
        cwd=place.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        # On Linux, reading a terminal fails once nobody has it open for writing.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65_536):
                shown += part
        os.close(ours)
        assert 0 == process.wait(DEADLINE), shown
    # Without what makes a header bold.
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
