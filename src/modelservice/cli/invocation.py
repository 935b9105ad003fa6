"""How this program was called, so that what it says to run next can be pasted."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from modelservice import config

_URL = f"{config.PREFIX}DATABASE_URL"


def pasteable(*arguments: str) -> str:
    """Returns a command of this program for the shell and the folder from which this one was called.

    Args:
        arguments: Of the command.
    """
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        program = [_from_here(sys.executable), "-m", "modelservice"]
    elif shutil.which(called.name) == sys.argv[0]:
        # A shell found it on its PATH.
        program = [called.name]
    else:
        program = [_from_here(sys.argv[0])]
    return " ".join([*_same_database(), shlex.join([*program, *arguments])])


def _from_here(path: str) -> str:
    """Returns the path relative to the working directory if it is below that."""
    absolute, here = os.path.abspath(path), os.getcwd()  # noqa: PTH100, PTH109  (as called: links are not followed)
    if not absolute.startswith(f"{here}/"):
        return path
    relative = absolute.removeprefix(f"{here}/")
    return relative if "/" in relative else f"./{relative}"


def _same_database() -> list[str]:
    """Returns the assignment of a SQLite database's URL. A URL of Postgres may hold a password: the shell has it."""
    url = os.environ.get(_URL, "")
    return [f"{_URL}={shlex.quote(url)}"] if url.startswith("sqlite:") else []
