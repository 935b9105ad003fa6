"""Keeps the issuer's keys fresh, in the background: no request ever waits for the issuer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from structlog.typing import FilteringBoundLogger

from modelservice.auth.jwks import KeySet, KeySetError, parse_key_set
from modelservice.background import ReportedError, Task


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often keys are asked for, in seconds.

    Attributes:
        interval: Between two questions. Issuers publish a new key days or weeks before they use it.
        cool_down: The same at least, when there is a reason for another: the last one failed, or a token names a key
            that is not in the set. So many such tokens make one question.
        lifetime: For how long a set serves when no newer one can be had.
    """

    interval: float = 300.0
    cool_down: float = 10.0
    lifetime: float = 86_400.0


DEFAULT: Final = Schedule()
# A file is read again more often: it costs nothing, and whoever replaces it waits for it.
FILE: Final = Schedule(interval=10.0)


class IssuerKeys:
    """The issuer's keys, as they were when they were last to be had.

    Args:
        source: Gets the key set (`auth.key_source`).
        algorithms: How tokens may be signed.
        log: Where to say what goes wrong.
        schedule: How often to ask.

    Attributes:
        asked: Set when the keys were asked for once, with whatever outcome.
        task: The background task.
    """

    def __init__(
        self,
        source: Callable[[], bytes],
        algorithms: Collection[str],
        log: FilteringBoundLogger,
        schedule: Schedule = DEFAULT,
    ) -> None:
        self._source = source
        self._algorithms = algorithms
        self._log = log
        self._schedule = schedule
        self._held: KeySet | None = None
        self._had_at = 0.0
        self._failure: str | None = None
        self.asked = threading.Event()
        self.task = Task("issuer_keys", self._step, schedule.interval, log, cool_down=schedule.cool_down)

    @property
    def current(self) -> KeySet | None:
        """The keys; None when there never were any, or those that there were are too old."""
        if time.monotonic() - self._had_at > self._schedule.lifetime:
            return None
        return self._held

    def want(self) -> None:
        """Says that a token names a key that is not here: it may be new."""
        self.task.wake()

    def start(self) -> None:
        """Starts to ask for the keys."""
        self.task.start()

    def close(self) -> None:
        """Stops asking. Does not wait for an answer that is under way."""
        self.task.close(patience=0)

    def refresh(self) -> None:
        """Asks for the keys.

        Raises:
            KeySetError: They cannot be had. Those that are held stay.
        """
        found = parse_key_set(self._source(), self._algorithms)
        if self._held is None or found.content != self._held.content:
            self._held = found
            self._log.info("issuer's keys loaded", key_ids=found.key_ids)
        self._had_at = time.monotonic()

    def _step(self) -> None:
        try:
            self.refresh()
        except KeySetError as error:
            self._say_once(str(error))
            raise ReportedError from None
        finally:
            self.asked.set()
        if self._failure is not None:
            self._failure = None
            self._log.info("the issuer's keys are to be had again")

    def _say_once(self, failure: str) -> None:
        serving = self.current is not None
        said = f"{failure} ({'serving' if serving else 'not serving'})"
        if said != self._failure:
            self._failure = said
            self._log.error("the issuer's keys are not to be had", reason=failure, serving=serving)
