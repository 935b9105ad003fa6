"""The servers of `modelservice run`: each a process with a port of its own, started again when it ends."""

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

# In seconds: until a worker that has ended is started again, doubled each time, and how long one must have run for the
# next to be the first time again.
_BACKOFF_MIN: Final = 0.1
_BACKOFF_MAX: Final = 10.0
_RUN_WELL: Final = 30.0

# -P: what lies in the working directory is no part of the program.
_COMMAND: Final = (sys.executable, "-P", "-m", "modelservice", "serve")


def worker_addresses(settings: Settings, number: int) -> dict[str, Address]:
    """Returns where a worker listens, counted from 0, by setting. Its ports may be such as do not exist."""
    addresses = {PREFIX + "GRPC_ADDRESS": settings.grpc_address.shifted(number)}
    if settings.metrics_address:
        addresses[PREFIX + "METRICS_ADDRESS"] = settings.metrics_address.shifted(number)
    return addresses


def _environment(settings: Settings, number: int) -> dict[str, str]:
    """Returns a worker's environment: this process's own, with the worker's addresses."""
    own = {name: str(address) for name, address in worker_addresses(settings, number).items()}
    # An address that is also given as a file would be given twice.
    files = {f"{name}_FILE" for name in own}
    return {name: value for name, value in os.environ.items() if name not in files} | own


class Workers:
    """The servers, as children of this process.

    A worker's end is an error until `keep` is called. From then on, whatever its status, it is a line in the log and a
    new start: at once for one that has run well, later and later for one that ends again and again.

    Args:
        settings: The settings.
        count: How many.
        log: Where ends and starts are said.

    Attributes:
        patience: How long one that is told to end may take, in seconds.
        upstreams: Where Envoy reaches them.
    """

    def __init__(self, settings: Settings, count: int, log: FilteringBoundLogger) -> None:
        self.patience = settings.drain_seconds + END_MAX
        self._log = log
        self._kept = False
        cores = _cores() if settings.pin_workers else []
        self._workers = [
            _Worker(
                name=f"worker {number}" if count > 1 else "server",
                upstream=settings.grpc_address.shifted(number).reachable(),
                environment=_environment(settings, number),
                core=cores[number % len(cores)] if cores else None,
            )
            for number in range(count)
        ]
        self.upstreams = [worker.upstream for worker in self._workers]

    def start(self) -> None:
        """Starts them all.

        Raises:
            EdgeError: One cannot be started.
        """
        for worker in self._workers:
            worker.start()

    def keep(self) -> None:
        """Starts each again that ends, from now on."""
        self._kept = True

    def look(self) -> None:
        """Does what is due. To be called all the time.

        Raises:
            EdgeError: One has ended, and they are not kept yet.
        """
        for worker in self._workers:
            how = worker.look()
            if how is None:
                continue
            if not self._kept:
                raise EdgeError(f"{worker.name} has ended ({how})")
            seconds = worker.start_later()
            self._log.warning(f"{worker.name} has ended", address=str(worker.upstream), how=how, restart_in=seconds)

    def restart(self, health: Callable[[], Mapping[tuple[str, int], bool]]) -> Iterator[None]:
        """Restarts them one after the other: a step for each value that is taken. `look` must be called between.

        Args:
            health: Says of each address whether it is healthy for Envoy; of none, when that is not to be known.
        """
        now = health()
        # First those that serve nobody: one that hangs cannot be waited for.
        for worker in sorted(self._workers, key=lambda worker: now.get(worker.upstream) is not False):
            others = [upstream for upstream in self.upstreams if upstream != worker.upstream]
            # Never one that serves while another does not.
            while (now := health()).get(worker.upstream) is not False and not all(now.get(other) for other in others):
                yield
            self._log.info(f"{worker.name} is restarted", address=str(worker.upstream))
            worker.end(self.patience)
            # Envoy must have seen its end, or it could take the next process, which is not ready yet, for this one.
            while worker.child or health().get(worker.upstream) is not False:
                yield
            worker.start_soon()
            while not health().get(worker.upstream):
                yield
        self._log.info("restarted", workers=len(self._workers))

    def children(self) -> list[Child]:
        """Returns the processes that run."""
        return [worker.child for worker in self._workers if worker.child]


class _Worker:
    """A worker, whichever process it is at the moment.

    Args:
        name: What messages call it.
        upstream: Where Envoy reaches it.
        environment: Its process's environment.
        core: The one core that it runs on; None for any.

    Attributes:
        child: Its process; None between two.
    """

    def __init__(self, *, name: str, upstream: Address, environment: Mapping[str, str], core: int | None) -> None:
        self.name = name
        self.upstream = upstream
        self.child: Child | None = None
        self._environment = environment
        self._core = core
        self._begun = 0.0
        self._backoff = _BACKOFF_MIN
        # When it is to be started; None while it runs, and while it is told to end.
        self._due: float | None = None
        self._ending = False

    def start(self) -> None:
        self._due = None
        self._begun = time.monotonic()
        self.child = Child(self.name, _COMMAND, environment=self._environment, core=self._core)

    def start_later(self) -> float:
        """Sees to a start when some time has passed, which it returns, in seconds."""
        if time.monotonic() - self._begun > _RUN_WELL:
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
        """Tells it to end within so many seconds, and to wait for `start_soon` then."""
        self._ending = True
        self._due = None
        if self.child:
            self.child.terminate(patience)

    def look(self) -> str | None:
        """Starts it when that is due. Returns how it has ended, in words, when it has since the last look, untold."""
        if self._due is not None and time.monotonic() >= self._due:
            try:
                self.start()
            except EdgeError as error:
                return str(error)
        how = self.child.ended() if self.child else None
        if self.child and how is None:
            self.child.kill_when_late()
        if how is not None:
            self.child = None
        return None if self._ending else how


def _cores() -> list[int]:
    """Returns the cores that workers keep to, where the platform can do that: one each, as far as there are any.

    Two threads that hold Python's lock in turn take nearly twice as long for it on two cores as on one. Any core may be
    the first, so that several services on a machine are not all on the same.
    """
    if sys.platform != "linux":
        return []
    cores = sorted(os.sched_getaffinity(0))
    first = random.randrange(len(cores))  # noqa: S311
    return cores[first:] + cores[:first]
