"""Keeps the catalogue fresh: asks the database a few times a second what is new.

A database that cannot be read costs freshness, not answers: what is held goes on being served, the log says so once,
and once again when it is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from modelservice.catalogue.pace import Pace, keep_out_of_collections, let_go, without_collections
from modelservice.catalogue.rendered import RenderedCache
from modelservice.catalogue.snapshot import Snapshot, advance
from modelservice.errors import DatabaseBehindError, ModelserviceError
from modelservice.store.reading import Changes, Revision

# For how long to wait for a database that is where it has been before, in seconds: a standby that lags catches up. One
# that does not has lost the last writes, and is believed.
_CATCH_UP: Final = 10.0
# How long the end waits for a question that is under way, in seconds.
_END: Final = 1.0
_HINT: Final = "waiting for it: a new one needs `modelservice migrate`"
# Reads what is new since a revision, with pauses (`store.reading.read_changes`).
Read = Callable[[Revision | None, Callable[[], None]], Changes | None]


class Catalogue:
    """Holds the newest snapshot, in a background thread of its own.

    Args:
        read: Reads what is new.
        interval: Between two questions, in seconds.
        log: Where to say what goes wrong.
    """

    def __init__(
        self,
        read: Read,
        interval: float,
        log: FilteringBoundLogger,
    ) -> None:
        self._read = read
        self._interval = interval
        self._log = log
        self._snapshot: Snapshot | None = None
        self._rendered = RenderedCache()
        self._failure: str | None = None
        # When the last read that succeeded began, on the monotonic clock.
        self._read_at = time.monotonic()
        self._failures = 0
        self._behind_since: float | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest catalogue, or None until the first is loaded. A request takes it once, and keeps to it."""
        return self._snapshot

    @property
    def age(self) -> float:
        """How long ago the database was last read, in seconds; before that, since this was made."""
        return time.monotonic() - self._read_at

    @property
    def failures(self) -> int:
        """How often the database could not be read."""
        return self._failures

    def start(self, loaded: Callable[[], None]) -> None:
        """Starts to load, and to refresh.

        Args:
            loaded: Called once, when the first snapshot is there.
        """
        self._thread = threading.Thread(target=self._run, args=(loaded,), name="refresher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops refreshing. A database that hangs is not waited for."""
        self._closed.set()
        if self._thread:
            self._thread.join(_END)

    def _run(self, loaded: Callable[[], None]) -> None:
        while not self._closed.is_set():
            try:
                first = self._snapshot is None
                self._refresh()
                if first and self._snapshot:
                    loaded()
            except ModelserviceError as error:
                self._failures += 1
                self._say_once(str(error))
            except Exception:  # noqa: BLE001
                # A row that this version cannot read, say. Serving what is held beats ending.
                self._failures += 1
                if self._failure is None:
                    self._log.exception("refresh failed")
                self._failure = "unforeseen"
            self._closed.wait(self._interval)

    def _refresh(self) -> None:
        begun = time.monotonic()
        held = self._snapshot
        pace = Pace(hurried=held is None)
        with without_collections():
            changes = self._read_whole_if_lost(held.revision if held else None, pace)
            snapshot = advance(held, changes, self._rendered, pace) if changes else None
            if changes and changes.complete:
                keep_out_of_collections()
        read_at, self._read_at = self._read_at, begun
        if self._failure is not None:
            self._failure = None
            self._log.info("the database is read again", seconds=round(begun - read_at))
        if changes and snapshot:
            self._snapshot = snapshot
            replaced = list(held.contents()) if held and changes.complete else []
            # Now whatever requests still hold it is all that does.
            del held
            let_go(replaced, pace)
            self._log.info(
                "catalogue loaded" if changes.complete else "catalogue changed",
                revision=changes.revision.number,
                models=len(snapshot.entries),
                organization_models=len(snapshot.records),
            )

    def _read_whole_if_lost(self, held: Revision | None, pace: Pace) -> Changes | None:
        try:
            found = self._read(held, pace)
        except DatabaseBehindError as error:
            if self._behind_since is None:
                self._behind_since = time.monotonic()
                self._log.warning("the database is behind", reason=str(error))
            if time.monotonic() - self._behind_since < _CATCH_UP:
                raise
            found = self._read(None, pace)
        self._behind_since = None
        return found

    def _say_once(self, failure: str) -> None:
        serving = self._snapshot is not None
        # While nobody is served, whoever starts the service reads here what to do next. Later, one line is enough.
        if self._failure is None or (failure != self._failure and not serving):
            # A database that does not answer yet may turn out to be new.
            hint = {} if serving or "`modelservice " in failure else {"hint": _HINT}
            self._log.error("the database cannot be read", reason=failure, serving=serving, **hint)
        self._failure = failure
