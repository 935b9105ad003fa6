"""Bounds the age of answers, and suspends a server whose refresher hangs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from modelservice.background import Task
from modelservice.catalogue.refresher import Catalogue
from modelservice.catalogue.snapshot import Snapshot

# Polling interval in seconds.
_LOOK_INTERVAL: Final = 0.1
# How long the refresher may make no progress, in seconds. Longer than every timeout of a database call.
_STALL_MAX: Final = 30.0


class FreshAnswers:
    """Returns the snapshot while it is fresh.

    It polls in its own thread, because a database that hangs blocks the refresher's. A refresher that hangs suspends
    the server, so that balancers avoid it; calls that arrive anyway are answered until the snapshot is too old.

    Args:
        catalogue: Holds the snapshot.
        max_age: Maximum seconds since the last read of the database; 0 disables the limit.
        log: The log.
        stall_max: Maximum seconds without progress of the refresher.

    Attributes:
        task: The background task.
    """

    def __init__(
        self, catalogue: Catalogue, max_age: float, log: FilteringBoundLogger, stall_max: float = _STALL_MAX
    ) -> None:
        self._catalogue = catalogue
        self._max_age = max_age
        self._log = log
        self._stall_max = stall_max
        self._stale = False
        self._stalled = False
        self._suspended = False
        self._suspend: Callable[[], None] = lambda: None
        self._resume: Callable[[], None] = lambda: None
        self.task = Task("freshness", self._look, _LOOK_INTERVAL, log)

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest catalogue, or None until the first is loaded and while it is too old."""
        return None if self._stale else self._catalogue.snapshot

    def start(self, suspend: Callable[[], None], resume: Callable[[], None]) -> None:
        """Starts polling.

        Args:
            suspend: Called when the catalogue becomes too old or the refresher hangs.
            resume: Called when both are over.
        """
        self._suspend, self._resume = suspend, resume
        self.task.start()

    def close(self) -> None:
        """Stops polling."""
        self.task.close()

    def _look(self) -> None:
        # Without a first snapshot, nothing can be too old.
        loaded = self._catalogue.snapshot is not None
        stale = loaded and 0 < self._max_age < self._catalogue.age
        stalled = self._catalogue.idle > self._stall_max
        if (stale or stalled) and not self._suspended:
            self._suspend()
            self._suspended = True
        was_stale, self._stale = self._stale, stale
        was_stalled, self._stalled = self._stalled, stalled
        if self._suspended and not stale and not stalled:
            self._resume()
            self._suspended = False
        if stale and not was_stale:
            self._log.error("the catalogue is too old to serve", max_staleness=self._max_age)
        elif was_stale and not stale:
            self._log.info("the catalogue is fresh again")
        if stalled and not was_stalled:
            self._log.error("the refresher makes no progress", seconds=round(self._catalogue.idle))
        elif was_stalled and not stalled:
            self._log.info("the refresher makes progress again")
