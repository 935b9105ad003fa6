"""Logs: one JSON object per line, or lines for people."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TextIO, TypeAlias, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from modelservice.domain.text import printable_json
from modelservice.telemetry.line_writer import LineWriter

# The message of the line that reports missing ones.
DROPPED: Final = "log lines dropped"

Stream: TypeAlias = LineWriter | TextIO


def make_log(stream: Stream, level: str, form: str = "json") -> FilteringBoundLogger:
    """Returns a log that never raises and, on a `LineWriter`, never blocks. Never pass it a credential.

    Args:
        stream: Where lines go.
        level: The lowest level to write: `debug`, `info`, `warning` or `error`.
        form: `json`, `console` for people, or `auto`: `console` on a terminal, else `json`.
    """
    log: FilteringBoundLogger = structlog.wrap_logger(
        # WriteLogger writes a line and its break at once: several processes share one stream.
        structlog.WriteLogger(cast("TextIO", stream)),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            *(_console(stream) if is_for_people(stream, form) else _JSON),
        ],
        wrapper_class=_never_raising(logging.getLevelNamesMapping()[level.upper()], stream),
        cache_logger_on_first_use=True,
    )
    if isinstance(stream, LineWriter):
        stream.recovered = lambda lines: log.error(DROPPED, lines=lines)
    return log


def is_for_people(stream: Stream, form: str) -> bool:
    """Returns whether a stream gets lines for people rather than JSON. For `form`, see `make_log`."""
    return form == "console" or (form == "auto" and stream.isatty())


class LineBudget:
    """Limits the lines per second of each kind. A limit of 0 disables it. `clock` returns seconds."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[str, _Second] = {}

    def take(self, kind: str = "", *, always: bool = False) -> int | None:
        """Takes a line. Returns how many were skipped since the last one, or None to skip this one too.

        Args:
            kind: One of a few. Each has its own budget, so that lines of one cannot hide those of another.
            always: Never skip this line.
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
    """Lines written in the current second, and lines skipped since the last one written."""

    since: float
    written: int = 0
    skipped: int = 0


def _never_raising(level: int, stream: Stream) -> type[FilteringBoundLogger]:
    filtering: Any = structlog.make_filtering_bound_logger(level)

    class Log(filtering):  # type: ignore[misc]
        def _proxy_to_logger(self, *arguments: Any, **fields: Any) -> None:  # noqa: ANN401  (structlog's signature)
            try:
                super()._proxy_to_logger(*arguments, **fields)
            except Exception:  # noqa: BLE001  (a line that cannot be made or written costs only itself)
                if isinstance(stream, LineWriter):
                    stream.drop()

    return Log


def _console(stream: Stream) -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        timestamp_key="time",
        sort_keys=False,
        # Quotes callers' texts, so that none controls the terminal.
        repr_native_str=True,
        # The pretty traceback shows local variables, and credentials with them.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [_without_none, renderer]


def _without_none(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    return {name: value for name, value in line.items() if value is not None}


def _common_fields_first(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    return {"time": line.pop("time"), "level": line.pop("level"), "message": line.pop("event"), **line}


def _json_text(line: object, **options: Any) -> str:  # noqa: ANN401  (structlog's signature)
    return printable_json(json.dumps(line, ensure_ascii=False, **options))


_JSON: Final[list[Processor]] = [
    structlog.processors.format_exc_info,
    _common_fields_first,
    structlog.processors.JSONRenderer(_json_text),
]
