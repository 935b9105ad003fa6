"""Refreshes the issuer's keys in the background, so that no request waits for the issuer."""

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
    """When keys are fetched. Times are in seconds.

    Attributes:
        interval: Between fetches. Issuers publish new keys days or weeks before using them.
        cool_down: Minimum between fetches after a failure, or after a token named an unknown key.
        lifetime: How long keys are used while no newer ones are available.
    """

    interval: float = 300.0
    cool_down: float = 10.0
    lifetime: float = 86_400.0


DEFAULT: Final = Schedule()
# Reading a file is cheap, and an operator who replaces one waits for the effect.
FILE: Final = Schedule(interval=10.0)


class IssuerKeys:
    """The last keys fetched from the issuer. `asked` is set after the first fetch, successful or not."""

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
        self._failure: tuple[str, bool] | None = None
        self.asked = threading.Event()
        self.task = Task("issuer_keys", self._step, schedule.interval, log, cool_down=schedule.cool_down)

    @property
    def current(self) -> KeySet | None:
        """The keys, or None if none were fetched within the lifetime."""
        if time.monotonic() - self._had_at > self._schedule.lifetime:
            return None
        return self._held

    def want(self) -> None:
        """Asks for a fetch: a token names an unknown key, which may be new."""
        self.task.wake()

    def start(self) -> None:
        """Starts fetching."""
        self.task.start()

    def close(self) -> None:
        """Stops fetching, without waiting for a fetch under way."""
        self.task.close(patience=0)

    def refresh(self) -> None:
        """Fetches the keys.

        Raises:
            KeySetError: The keys are unavailable. Earlier keys stay in use.
        """
        found = parse_key_set(self._source(), self._algorithms)
        if self._held is None or found.content != self._held.content:
            self._held = found
            self._log.info("issuer keys loaded", key_ids=found.key_ids)
        self._had_at = time.monotonic()

    def _step(self) -> None:
        try:
            self.refresh()
        except KeySetError as error:
            self._report_once(str(error))
            raise ReportedError from None
        finally:
            self.asked.set()
        if self._failure is not None:
            self._failure = None
            self._log.info("issuer keys available again")

    def _report_once(self, failure: str) -> None:
        serving = self.current is not None
        if (failure, serving) != self._failure:
            self._failure = (failure, serving)
            self._log.error("issuer keys unavailable", reason=failure, serving=serving)
