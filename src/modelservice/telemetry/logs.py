"""Logs: one JSON object a line, or lines for people."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from modelservice.domain.text import printable_json
from modelservice.telemetry.line_writer import LineWriter

# What a line of the log says when it must say that others are missing.
DROPPED: Final = "log lines dropped"


class Stream(Protocol):
    """Where lines go: a `LineWriter`, or a text stream."""

    def write(self, text: str, /) -> int:
        """Writes a text."""

    def flush(self) -> None:
        """Makes sure that it is written soon."""

    def isatty(self) -> bool:
        """Says whether people read it as it is written."""


def make_log(stream: Stream, level: str, form: str = "json") -> FilteringBoundLogger:
    """Returns a log. It never raises; with a `LineWriter` it never blocks either. No credential is ever given to it.

    Args:
        stream: Where its lines go.
        level: The least severe level to write: `debug`, `info`, `warning` or `error`.
        form: `json`, `console` for people, or `auto`: `console` on a terminal, else `json`.
    """
    log: FilteringBoundLogger = structlog.wrap_logger(
        # Writes a line and its end at once: several processes write to one stream.
        structlog.WriteLogger(cast("TextIO", stream)),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            *(_for_people(stream) if is_for_people(stream, form) else _JSON),
        ],
        wrapper_class=_never_raising(logging.getLevelNamesMapping()[level.upper()], stream),
        cache_logger_on_first_use=True,
    )
    if isinstance(stream, LineWriter):
        stream.recovered = lambda lines: log.error(DROPPED, lines=lines)
    return log


def is_for_people(stream: Stream, form: str) -> bool:
    """Says whether a stream gets lines for people, rather than JSON.

    Args:
        stream: The stream.
        form: `json`, `console` or `auto`.
    """
    return form == "console" or (form == "auto" and stream.isatty())


def _never_raising(level: int, stream: Stream) -> type[FilteringBoundLogger]:
    filtering: Any = structlog.make_filtering_bound_logger(level)

    class Log(filtering):  # type: ignore[misc]
        def _proxy_to_logger(self, *arguments: Any, **fields: Any) -> None:  # noqa: ANN401  (as structlog has it)
            try:
                super()._proxy_to_logger(*arguments, **fields)
            except Exception:  # noqa: BLE001  (a line that cannot be made or written costs itself)
                if isinstance(stream, LineWriter):
                    stream.drop()

    return Log


class LineBudget:
    """How many lines there may be per second, of each kind.

    Args:
        per_second: That many; 0 disables the limit.
        clock: Tells the time, in seconds.
    """

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[str, _Second] = {}

    def take(self, kind: str = "", *, always: bool = False) -> int | None:
        """Takes a line. Returns how many were left out since the last one; None when this one is, too.

        Args:
            kind: One of few. Each has a budget of its own, so that lines of one cannot hide those of another.
            always: This line is not to be left out.
        """
        if not self._per_second:
            return 0
        now = self._clock()
        with self._lock:
            second = self._kinds.setdefault(kind, _Second(now))
            if now - second.since >= 1:
                second.since, second.written = now, 0
            if second.written >= self._per_second and not always:
                second.skipped += 1
                return None
            second.written += 1
            skipped, second.skipped = second.skipped, 0
            return skipped


@dataclass(slots=True)
class _Second:
    """Lines since a moment, and those left out since the last one."""

    since: float
    written: int = 0
    skipped: int = 0


def _for_people(stream: Stream) -> list[Processor]:
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


def _json_text(line: object, **options: Any) -> str:  # noqa: ANN401  (as structlog has it)
    return printable_json(json.dumps(line, ensure_ascii=False, **options))


_JSON: list[Processor] = [
    structlog.processors.format_exc_info,
    _for_people_first,
    structlog.processors.JSONRenderer(_json_text),
]
