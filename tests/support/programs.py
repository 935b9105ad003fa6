"""Programs that the system has or has not (`make programs`)."""

from __future__ import annotations

import os
import shutil

import pytest


def installed(name: str) -> str:
    """Returns the path of a program; skips the test if it is not installed."""
    # Servers are where only root looks for programs.
    found = shutil.which(name, path=os.pathsep.join((os.environ["PATH"], "/usr/local/sbin", "/usr/sbin")))
    if found is None:
        pytest.skip(f"NOT TESTED: {name} is not installed: `make programs` installs it")
    return found
