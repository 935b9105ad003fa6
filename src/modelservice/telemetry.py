"""Logs: one JSON object a line."""

from __future__ import annotations

import logging
from typing import TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger


def make_log(stream: TextIO, level: str) -> FilteringBoundLogger:
    """Returns a log. No credential is ever given to it.

    Args:
        stream: Where its lines go.
        level: The least that is written: `debug`, `info`, `warning` or `error`.
    """
    log: FilteringBoundLogger = structlog.wrap_logger(
        # Writes a line and its end at once: several processes write to one stream.
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            _for_people_first,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    return log


def _for_people_first(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    return {"time": line.pop("time"), "level": line.pop("level"), "message": line.pop("event"), **line}
