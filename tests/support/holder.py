"""Another process that has a SQLite database open."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.support.harness import DEADLINE

# Its own connection stays open, so that nothing that it writes leaves the log.
_SCRIPT = """
import sqlite3, sys
from modelservice.manage.organizations import create_organization
path, name = sys.argv[1:]
connection = sqlite3.connect(path)
connection.execute("SELECT * FROM organizations").fetchall()
create_organization(f"sqlite:///{path}", "test", name)
print("holds", flush=True)
sys.stdin.read()
"""


class Holder:
    """A writer that adds an organization to a database, and keeps a connection open until it ends.

    Args:
        path: The database's file.
        organization: The organization that it adds.
    """

    def __init__(self, path: Path, organization: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, str(path), organization], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout
        assert b"holds\n" == self._process.stdout.readline()

    def kill(self) -> None:
        """Kills it outright: its log stays beside the file."""
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate(timeout=DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
