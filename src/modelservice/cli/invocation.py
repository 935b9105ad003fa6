"""Command lines that a user can paste, for messages that name the next step."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from modelservice import config

_URL = f"{config.PREFIX}DATABASE_URL"


def pasteable(*arguments: str) -> str:
    """Returns a command of this program for the shell and the folder that it was called from.

    The line sets a SQLite database's URL if this process has one. A Postgres URL may hold a password, so it is left to
    the shell's environment.
    """
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        program = [_from_here(sys.executable), "-m", "modelservice"]
    elif shutil.which(called.name) == sys.argv[0]:
        # A shell found it on its PATH.
        program = [called.name]
    else:
        program = [_from_here(sys.argv[0])]
    line = shlex.join([*program, *arguments])
    url = os.environ.get(_URL, "")
    return f"{_URL}={shlex.quote(url)} {line}" if url.startswith("sqlite:") else line


def _from_here(path: str) -> str:
    """Returns the path relative to the working directory if it is below that. Symbolic links are not followed."""
    absolute, here = os.path.abspath(path), os.getcwd()  # noqa: PTH100, PTH109  (pathlib would follow links)
    if not absolute.startswith(f"{here}/"):
        return path
    relative = absolute.removeprefix(f"{here}/")
    return relative if "/" in relative else f"./{relative}"
