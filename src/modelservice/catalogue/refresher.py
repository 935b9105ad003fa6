"""Keeps the catalogue fresh by polling the database.

While the database is unavailable, the held catalogue is served. The log reports the failure once, and its end once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final

from structlog.typing import FilteringBoundLogger

from modelservice.background import ReportedError, Task
from modelservice.catalogue.render_cache import RenderedCache
from modelservice.catalogue.snapshot import Row, Snapshot, advance
from modelservice.catalogue.throttle import (
    Throttle,
    exempt_from_collections,
    free_in_batches,
    garbage_collector_paused,
)
from modelservice.errors import DatabaseBehindError, DefectError, ModelserviceError
from modelservice.store.changes import HELD, Changes, Revision
from modelservice.store.table_reader import shown_id

# How long to wait for a database that went back in its history, in seconds. A lagging standby catches up; after that,
# the last writes count as lost.
_CATCH_UP: Final = 10.0
# Attempts at the first load before a defect of the program ends the server.
_ATTEMPTS: Final = 5
# Rows left out that get a log line of their own, per refresh.
_ROWS_NAMED: Final = 20
_HINT: Final = "waiting for it: a new one needs `modelservice migrate`"
# Reads the changes since a revision, with pauses (`store.changes.read_changes`).
Read = Callable[[Revision | None, Callable[[], None]], Changes | None]


class Catalogue:
    """Holds the newest snapshot and refreshes it every `interval` seconds in a background thread.

    Attributes:
        defect: Why the first snapshot cannot be loaded; set before `gave_up` is called.
    """

    def __init__(self, read: Read, interval: float, log: FilteringBoundLogger) -> None:
        self._read = read
        self._log = log
        self._snapshot: Snapshot | None = None
        self._rendered = RenderedCache()
        self._failure: str | None = None
        # Start of the last successful read, and last progress, on the monotonic clock.
        self._read_at = self._progress_at = time.monotonic()
        self._behind_since: float | None = None
        self._left_out: Mapping[Row, str] = {}
        self._announced = False
        self._loaded: Callable[[], None] = lambda: None
        self._gave_up: Callable[[], None] = lambda: None
        self.task = Task("refresher", self._step, interval, log)
        self.defect: DefectError | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest catalogue, or None until the first is loaded. A request reads it once and keeps it."""
        return self._snapshot

    @property
    def age(self) -> float:
        """Seconds since the last successful read, or since construction."""
        return time.monotonic() - self._read_at

    @property
    def idle(self) -> float:
        """Seconds since the last progress: a row read, a model rendered, or a query that returned or failed."""
        return time.monotonic() - self._progress_at

    @property
    def left_out(self) -> Mapping[str, int]:
        """Number of unusable rows by table."""
        counts = dict.fromkeys(HELD, 0)
        for table, _ in self._snapshot.left_out if self._snapshot else ():
            counts[table] += 1
        return counts

    @property
    def failures(self) -> int:
        """Number of failed reads."""
        return self.task.failures

    def start(self, loaded: Callable[[], None], gave_up: Callable[[], None] = lambda: None) -> None:
        """Starts polling.

        Args:
            loaded: Called once, after the first snapshot is loaded.
            gave_up: Called if a defect prevents the first snapshot.
        """
        self._loaded, self._gave_up = loaded, gave_up
        self._progress_at = time.monotonic()
        self.task.start()

    def close(self) -> None:
        """Stops polling, without waiting for a database that hangs."""
        self.task.close()

    def _step(self) -> None:
        try:
            self._refresh()
        except DefectError as error:
            self._give_up_if_useless(error)
            raise
        except ModelserviceError as error:
            self._report_failure(str(error))
            raise ReportedError from None
        except Exception as error:
            self._give_up_if_useless(DefectError(f"the catalogue cannot be loaded: {type(error).__name__}"))
            raise
        finally:
            self._progress_at = time.monotonic()
        if self._snapshot and not self._announced:
            self._loaded()
            self._announced = True

    def _give_up_if_useless(self, defect: DefectError) -> None:
        """Gives up if nothing was ever served; a server that holds a catalogue keeps trying."""
        if self._snapshot is None and self.task.failures_in_a_row + 1 >= _ATTEMPTS:
            self.defect = defect
            self._gave_up()

    def _refresh(self) -> None:
        begun = time.monotonic()
        held = self._snapshot
        throttle = Throttle(enabled=held is not None)

        def pause() -> None:
            self._progress_at = time.monotonic()
            throttle()

        with garbage_collector_paused():
            changes = self._read_changes(held.revision if held else None, pause)
            snapshot = advance(held, changes, self._rendered, pause) if changes else None
            if changes and changes.complete:
                exempt_from_collections()
        if snapshot:
            self._snapshot = snapshot
        read_at, self._read_at = self._read_at, begun
        if self._failure is not None:
            self._failure = None
            self._log.info("the database can be read again", seconds=round(begun - read_at))
        if changes and snapshot:
            replaced = list(held.contents()) if held and changes.complete else []
            # From here on, only requests under way hold the old snapshot.
            del held
            free_in_batches(replaced, pause)
            self._log.info(
                "catalogue loaded" if changes.complete else "catalogue changed",
                revision=changes.revision.number,
                models=len(snapshot.entries),
                organization_models=len(snapshot.records),
            )
        self._report_left_out()

    def _read_changes(self, held: Revision | None, pause: Callable[[], None]) -> Changes | None:
        try:
            found = self._read(held, pause)
        except DatabaseBehindError as error:
            if self._behind_since is None:
                self._behind_since = time.monotonic()
                self._log.warning("the database is behind", reason=str(error))
            if time.monotonic() - self._behind_since < _CATCH_UP:
                raise
            found = self._read(None, pause)
        self._behind_since = None
        return found

    def _report_left_out(self) -> None:
        left_out = self._snapshot.left_out if self._snapshot else {}
        if left_out == self._left_out:
            return
        before, self._left_out = self._left_out, left_out
        new = [(row, reason) for row, reason in left_out.items() if before.get(row) != reason]
        for (table, row_id), reason in islice(new, _ROWS_NAMED):
            self._log.error("a row is left out", table=table, id=shown_id(row_id), reason=reason)
        if len(new) > _ROWS_NAMED:
            self._log.error("more rows are left out: `modelservice check` names them", count=len(new) - _ROWS_NAMED)
        if repaired := len(before.keys() - left_out.keys()):
            self._log.info("rows are no longer left out", count=repaired)

    def _report_failure(self, failure: str) -> None:
        serving = self._snapshot is not None
        # Before the first snapshot, each new failure is reported: it tells the operator what to do next.
        if self._failure is None or (failure != self._failure and not serving):
            # A database that does not answer yet may be a new one.
            hint = {} if serving or "`modelservice " in failure else {"hint": _HINT}
            self._log.error("the database cannot be read", reason=failure, serving=serving, **hint)
        self._failure = failure
