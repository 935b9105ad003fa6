"""Watches the refresher: answers have a bound for their age, and the refresher has one for making no progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from modelservice.background import Task
from modelservice.catalogue.refresher import Catalogue
from modelservice.catalogue.snapshot import Snapshot

# How often the refresher is looked at, in seconds.
_LOOK_INTERVAL: Final = 0.1
# How long the refresher may make no progress, in seconds. Above every timeout of a call to the database.
_STALL_MAX: Final = 30.0


class FreshAnswers:
    """Gives the catalogue's snapshot while it is fresh, and says whether the server should serve.

    It looks in a thread of its own: a database that neither answers nor fails holds the refresher's.

    A refresher that hangs suspends the server, so that balancers turn to others. Calls that come all the same are
    answered from what is held, unless that has become too old.

    Args:
        catalogue: What has the snapshot.
        max_age: How long ago the database may have been read, in seconds; 0 for no limit.
        log: Where both conditions are reported, and their ends.
        stall_max: How long the refresher may make no progress, in seconds.

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
        """Starts to look.

        Args:
            suspend: Called when the catalogue has become too old, or the refresher hangs.
            resume: Called when neither is so any more.
        """
        self._suspend, self._resume = suspend, resume
        self.task.start()

    def close(self) -> None:
        """Stops to look."""
        self.task.close()

    def _look(self) -> None:
        # Without a first snapshot there is nothing to become too old.
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
        if stale != was_stale:
            self._say_staleness()
        if stalled != was_stalled:
            self._say_stall()

    def _say_staleness(self) -> None:
        if self._stale:
            self._log.error("the catalogue is too old to answer from", max_staleness=self._max_age)
        else:
            self._log.info("the catalogue is fresh again")

    def _say_stall(self) -> None:
        if self._stalled:
            self._log.error("the refresher makes no progress", seconds=round(self._catalogue.idle))
        else:
            self._log.info("the refresher makes progress again")
