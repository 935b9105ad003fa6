"""A bound for the age of what is answered: past it, no answer is better than one of yesterday."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from modelservice.catalogue.refresher import Catalogue
from modelservice.catalogue.snapshot import Snapshot

# How often the age is looked at, in seconds.
_LOOK_INTERVAL: Final = 0.1


class FreshAnswers:
    """Gives the catalogue's snapshot while it is fresh.

    It looks in a thread of its own: a database that neither answers nor fails holds the refresher's.

    Args:
        catalogue: What has the snapshot.
        max_age: How long ago the database may have been read, in seconds.
        log: Where to say that it is too long, and that it is not any more.
    """

    def __init__(self, catalogue: Catalogue, max_age: float, log: FilteringBoundLogger) -> None:
        self._catalogue = catalogue
        self._max_age = max_age
        self._log = log
        self._stale = False
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest catalogue, or None until the first is loaded and while it is too old."""
        return None if self._stale else self._catalogue.snapshot

    def start(self, suspend: Callable[[], None], resume: Callable[[], None]) -> None:
        """Starts to look.

        Args:
            suspend: Called when the catalogue has become too old.
            resume: Called when it is fresh again.
        """
        self._thread = threading.Thread(target=self._watch, args=(suspend, resume), name="freshness", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops to look."""
        self._closed.set()
        if self._thread:
            self._thread.join()

    def _watch(self, suspend: Callable[[], None], resume: Callable[[], None]) -> None:
        while not self._closed.wait(_LOOK_INTERVAL):
            # Without a first snapshot there is nothing to become too old.
            stale = self._catalogue.snapshot is not None and self._catalogue.age > self._max_age
            if stale and not self._stale:
                suspend()
                self._stale = True
                self._log.error("the catalogue is too old to answer from", max_staleness=self._max_age)
            elif self._stale and not stale:
                self._stale = False
                resume()
                self._log.info("the catalogue is fresh again")
