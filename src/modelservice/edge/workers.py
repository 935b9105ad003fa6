"""The servers of `modelservice run`: processes with a port each, restarted when they exit."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from structlog.typing import FilteringBoundLogger

from modelservice.config import PREFIX, Address, Settings
from modelservice.edge.child import END_MAX, Child
from modelservice.errors import EdgeError

# In seconds: the delay before a worker that exited is restarted. It doubles each time, up to the maximum, and is reset
# when a worker ran for _RUN_WELL.
_BACKOFF_MIN: Final = 0.1
_BACKOFF_MAX: Final = 10.0
_RUN_WELL: Final = 30.0

# In bytes, more than the longest answer: lets glibc's malloc reuse the memory of long answers. By default the kernel
# takes it back and clears it for the next one, a third of the CPU time of a long filtered list. The environment
# overrides these.
_MALLOC: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(16 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(16 * 1024 * 1024),
}

# -P: files in the working directory are no part of the program.
_COMMAND: Final = (sys.executable, "-P", "-m", "modelservice", "serve")


def worker_addresses(settings: Settings, number: int) -> dict[str, Address]:
    """Returns the addresses of a worker, counted from 0, by setting. Their ports may be out of range."""
    addresses = {PREFIX + "GRPC_ADDRESS": settings.grpc_address.shifted(number)}
    if settings.metrics_address:
        addresses[PREFIX + "METRICS_ADDRESS"] = settings.metrics_address.shifted(number)
    return addresses


class Workers:
    """The servers, as children of this process.

    Until `keep` is called, a worker that exits is an error. From then on it is logged and restarted.

    Attributes:
        patience: Seconds that a worker may take to shut down.
        upstreams: Where Envoy reaches the workers.
    """

    def __init__(self, settings: Settings, count: int, log: FilteringBoundLogger) -> None:
        self.patience = settings.drain_seconds + END_MAX
        self._log = log
        self._kept = False
        cores = _cores() if settings.pin_workers else []
        self._workers = [
            _Worker(settings, number, "server" if count == 1 else f"worker {number}", cores) for number in range(count)
        ]
        self.upstreams = [worker.upstream for worker in self._workers]

    def start(self) -> None:
        """Starts all workers.

        Raises:
            EdgeError: A worker cannot be started.
        """
        for worker in self._workers:
            worker.start()

    def keep(self) -> None:
        """Restarts workers that exit from now on."""
        self._kept = True

    def poll(self) -> None:
        """Restarts workers that exited, once their delay is over. Call it in a loop.

        Raises:
            EdgeError: A worker exited before `keep` was called.
        """
        for worker in self._workers:
            reason = worker.poll()
            if reason is None:
                continue
            if not self._kept:
                raise EdgeError(f"{worker.name} exited ({reason})")
            seconds = worker.start_later()
            self._log.warning(f"{worker.name} exited", address=str(worker.upstream), reason=reason, restart_in=seconds)

    def restart(self, health: Callable[[], Mapping[tuple[str, int], bool]]) -> Iterator[None]:
        """Restarts the workers one after the other, a step per iteration. Call `poll` between steps.

        Args:
            health: Returns which addresses are healthy according to Envoy; empty if unknown.
        """
        now = health()
        # First those that do not serve: a worker that hangs cannot be waited for.
        for worker in sorted(self._workers, key=lambda worker: now.get(worker.upstream) is not False):
            others = [upstream for upstream in self.upstreams if upstream != worker.upstream]
            # Never restart a worker that serves while another does not.
            while (now := health()).get(worker.upstream) is not False and not all(now.get(other) for other in others):
                yield
            self._log.info(f"{worker.name} restarting", address=str(worker.upstream))
            worker.end(self.patience)
            # Until Envoy has noticed, it could mistake the next process, which is not ready yet, for this one.
            while worker.child or health().get(worker.upstream) is not False:
                yield
            worker.start_soon()
            while not health().get(worker.upstream):
                yield
        self._log.info("restarted", workers=len(self._workers))

    def children(self) -> list[Child]:
        """Returns the running processes."""
        return [worker.child for worker in self._workers if worker.child]


class _Worker:
    """A worker, whose process changes. `child` is None between two processes."""

    def __init__(self, settings: Settings, number: int, name: str, cores: list[int]) -> None:
        self.name = name
        self.upstream = settings.grpc_address.shifted(number).reachable()
        self.child: Child | None = None
        own = {setting: str(address) for setting, address in worker_addresses(settings, number).items()}
        # A setting cannot be given both directly and as a file.
        files = {f"{setting}_FILE" for setting in own}
        inherited = {key: value for key, value in os.environ.items() if key not in files}
        self._environment = _MALLOC | inherited | own
        self._core = cores[number % len(cores)] if cores else None
        self._started = 0.0
        self._backoff = _BACKOFF_MIN
        # When to start; None while it runs or shuts down.
        self._due: float | None = None
        self._ending = False

    def start(self) -> None:
        self._due = None
        self._started = time.monotonic()
        self.child = Child(self.name, _COMMAND, environment=self._environment, core=self._core)

    def start_later(self) -> float:
        """Schedules a restart, and returns the delay in seconds."""
        if time.monotonic() - self._started > _RUN_WELL:
            self._backoff = _BACKOFF_MIN
        seconds = self._backoff
        self._backoff = min(2 * seconds, _BACKOFF_MAX)
        self._due = time.monotonic() + seconds
        return seconds

    def start_soon(self) -> None:
        self._ending = False
        self._backoff = _BACKOFF_MIN
        self._due = time.monotonic()

    def end(self, patience: float) -> None:
        """Shuts the process down within `patience` seconds. The next one waits for `start_soon`."""
        self._ending = True
        self._due = None
        if self.child:
            self.child.terminate(patience)

    def poll(self) -> str | None:
        """Starts the process if it is due. Returns why it exited, once, unless `end` was called."""
        if self._due is not None and time.monotonic() >= self._due:
            try:
                self.start()
            except EdgeError as error:
                return str(error)
        if self.child is None:
            return None
        reason = self.child.ended()
        if reason is None:
            self.child.kill_when_late()
            return None
        self.child = None
        return None if self._ending else reason


def _cores() -> list[int]:
    """Returns the cores to pin workers to, or none where that is impossible.

    Two threads that take turns with Python's lock need nearly twice as long for it on two cores as on one. The first
    core is random, so that several services on a machine do not share it.
    """
    if sys.platform != "linux":
        return []
    cores = sorted(os.sched_getaffinity(0))
    first = random.randrange(len(cores))  # noqa: S311
    return cores[first:] + cores[:first]
