"""Logs: one JSON object a line, or lines for people."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger


def make_log(stream: TextIO, level: str, form: str = "json") -> FilteringBoundLogger:
    """Returns a log. No credential is ever given to it.

    Args:
        stream: Where its lines go.
        level: The least that is written: `debug`, `info`, `warning` or `error`.
        form: How: `json`, or `console` for people.
    """
    log: FilteringBoundLogger = structlog.wrap_logger(
        # Writes a line and its end at once: several processes write to one stream.
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            *(_for_people(stream) if form == "console" else _JSON),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    return log


class LineBudget:
    """How many calls may have a line of their own in the log.

    Args:
        per_second: So many; 0 for all.
        clock: Tells the time, in seconds.
    """

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._since = clock()
        self._written = 0
        self._skipped = 0

    def take(self, *, always: bool = False) -> int | None:
        """Takes a line. Returns how many calls were left out since the last one; None when this one is, too.

        Args:
            always: This call is not to be left out.
        """
        if not self._per_second:
            return 0
        now = self._clock()
        with self._lock:
            if now - self._since >= 1:
                self._since, self._written = now, 0
            if self._written >= self._per_second and not always:
                self._skipped += 1
                return None
            self._written += 1
            skipped, self._skipped = self._skipped, 0
            return skipped


def _for_people(stream: TextIO) -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        timestamp_key="time",
        sort_keys=False,
        # Callers' texts in quotes, so that none steers a terminal.
        repr_native_str=True,
        # The pretty one shows local variables, and with them credentials.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [_without_what_is_not_known, renderer]


def _without_what_is_not_known(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    return {name: value for name, value in line.items() if value is not None}


def _for_people_first(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    return {"time": line.pop("time"), "level": line.pop("level"), "message": line.pop("event"), **line}


_JSON: list[Processor] = [
    structlog.processors.format_exc_info,
    _for_people_first,
    structlog.processors.JSONRenderer(ensure_ascii=False),
]
