"""Keeps the catalogue fresh: asks the database a few times a second what is new.

A database that cannot be read costs freshness, not answers: what is held goes on being served, the log says so once,
and once again when it is over.
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
from modelservice.catalogue.throttle import Pace, keep_out_of_collections, let_go, without_collections
from modelservice.errors import DatabaseBehindError, DefectError, ModelserviceError
from modelservice.store.changes import HELD, Changes, Revision
from modelservice.store.table_reader import shown_id

# For how long to wait for a database that is where it has been before, in seconds: a standby that lags catches up. One
# that does not has lost the last writes, and is believed.
_CATCH_UP: Final = 10.0
# How often a server that has served nobody tries, where the program is wrong rather than the database.
_ATTEMPTS: Final = 5
# Rows that are left out and have a line of their own in the log, of each refresh.
_ROWS_NAMED: Final = 20
_HINT: Final = "waiting for it: a new one needs `modelservice migrate`"
# Reads what is new since a revision, with pauses (`store.reading.read_changes`).
Read = Callable[[Revision | None, Callable[[], None]], Changes | None]


class Catalogue:
    """Holds the newest snapshot, in a background thread of its own.

    Args:
        read: Reads what is new.
        interval: Between two questions, in seconds.
        log: Where to say what goes wrong.

    Attributes:
        task: The background task.
        defect: Why there will never be a first snapshot: set when `start` calls `gave_up`.
    """

    def __init__(
        self,
        read: Read,
        interval: float,
        log: FilteringBoundLogger,
    ) -> None:
        self._read = read
        self._log = log
        self._snapshot: Snapshot | None = None
        self._rendered = RenderedCache()
        self._failure: str | None = None
        # When the last read that succeeded began, and when there last was progress, on the monotonic clock.
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
        """The newest catalogue, or None until the first is loaded. A request takes it once, and keeps to it."""
        return self._snapshot

    @property
    def age(self) -> float:
        """How long ago the database was last read, in seconds; before that, since this was made."""
        return time.monotonic() - self._read_at

    @property
    def idle(self) -> float:
        """How long ago the refresher made progress, in seconds.

        Progress is a row read, a model rendered, or a question to the database that ended, failed or not.
        """
        return time.monotonic() - self._progress_at

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many rows are left out because they cannot be used, by table."""
        counts = dict.fromkeys(HELD, 0)
        for table, _ in self._snapshot.left_out if self._snapshot else ():
            counts[table] += 1
        return counts

    @property
    def failures(self) -> int:
        """How often the database could not be read."""
        return self.task.failures

    def start(self, loaded: Callable[[], None], gave_up: Callable[[], None] = lambda: None) -> None:
        """Starts to load, and to refresh.

        Args:
            loaded: Called once, when the first snapshot is there.
            gave_up: Called when there will be no first snapshot, because the program is wrong (`defect`).
        """
        self._loaded, self._gave_up = loaded, gave_up
        self._progress_at = time.monotonic()
        self.task.start()

    def close(self) -> None:
        """Stops refreshing. A database that hangs is not waited for."""
        self.task.close()

    def _step(self) -> None:
        try:
            self._refresh()
        except DefectError as error:
            self._give_up_if_useless(error)
            raise
        except ModelserviceError as error:
            self._say_once(str(error))
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
        """Ends what has never served anybody. What serves a catalogue goes on, and tries again."""
        if self._snapshot is None and self.task.failures_in_a_row + 1 >= _ATTEMPTS:
            self.defect = defect
            self._gave_up()

    def _refresh(self) -> None:
        begun = time.monotonic()
        held = self._snapshot
        pace = Pace(hurried=held is None)

        def pause() -> None:
            self._progress_at = time.monotonic()
            pace()

        with without_collections():
            changes = self._read_whole_if_lost(held.revision if held else None, pause)
            snapshot = advance(held, changes, self._rendered, pause) if changes else None
            if changes and changes.complete:
                keep_out_of_collections()
        if snapshot:
            self._snapshot = snapshot
        read_at, self._read_at = self._read_at, begun
        if self._failure is not None:
            self._failure = None
            self._log.info("the database is read again", seconds=round(begun - read_at))
        if changes and snapshot:
            replaced = list(held.contents()) if held and changes.complete else []
            # Now whatever requests still hold it is all that does.
            del held
            let_go(replaced, pause)
            self._log.info(
                "catalogue loaded" if changes.complete else "catalogue changed",
                revision=changes.revision.number,
                models=len(snapshot.entries),
                organization_models=len(snapshot.records),
            )
        self._say_left_out()

    def _say_left_out(self) -> None:
        left_out = self._snapshot.left_out if self._snapshot else {}
        if left_out == self._left_out:
            return
        before, self._left_out = self._left_out, left_out
        new = [(row, reason) for row, reason in left_out.items() if before.get(row) != reason]
        for (table, row_id), reason in islice(new, _ROWS_NAMED):
            self._log.error("a row is left out", table=table, id=shown_id(row_id), reason=reason)
        if len(new) > _ROWS_NAMED:
            self._log.error("more rows are left out: `modelservice check` names them", count=len(new) - _ROWS_NAMED)
        mended = len(before.keys() - left_out.keys())
        if mended:
            self._log.info("rows are not left out any more", count=mended)

    def _read_whole_if_lost(self, held: Revision | None, pause: Callable[[], None]) -> Changes | None:
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

    def _say_once(self, failure: str) -> None:
        serving = self._snapshot is not None
        # While nobody is served, whoever starts the service reads here what to do next. Later, one line is enough.
        if self._failure is None or (failure != self._failure and not serving):
            # A database that does not answer yet may turn out to be new.
            hint = {} if serving or "`modelservice " in failure else {"hint": _HINT}
            self._log.error("the database cannot be read", reason=failure, serving=serving, **hint)
        self._failure = failure
