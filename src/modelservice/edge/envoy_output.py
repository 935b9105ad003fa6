"""What Envoy writes: read at once, always, and dropped where it cannot be written on.

Envoy keeps whatever the reader of its log has not taken, without bound.
"""

from __future__ import annotations

import json
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from modelservice.telemetry import LineBudget, LineWriter

# Lines of Envoy's own log per second. A script that fails says so for each request.
_OWN_PER_SECOND: Final = 100
# In characters, of a line that is not in the form that `ENVOY_LOG_FORMAT` asks for.
_TEXT_MAX: Final = 1_000
# What people are told of a request. The rest is for whoever looks through the JSON.
_FOR_PEOPLE: Final = ("method", "path", "status", "reason", "client", "peer", "details", "ms", "request_id")
# How Envoy writes its own log.
ENVOY_LOG_FORMAT: Final = '{"level":"%l","message":"%j","logger":"envoy.%n"}'
# What Envoy calls a warning, and is none: it is told to end.
_EXPECTED: Final = "caught ENVOY_SIGTERM"


class EnvoyOutput:
    """Takes what Envoy writes: its access log goes to standard output, its own log into the process's.

    Args:
        log: The process's log.
        access: Where the access log goes as it is, in JSON.
        for_people: Whether the access log goes into the process's log instead, whose lines are for people.
    """

    def __init__(self, log: FilteringBoundLogger, access: LineWriter, *, for_people: bool) -> None:
        self._log = log
        self._access = access
        self._for_people = for_people
        self._budget = LineBudget(_OWN_PER_SECOND)
        access.recovered = lambda lines: log.error("lines of the access log dropped", lines=lines)

    def take_access(self, lines: bytes) -> None:
        """Takes lines of the access log."""
        if not self._for_people:
            self._access.write(lines)
            return
        for line in lines.splitlines():
            fields = _fields(line)
            self._log.info(str(fields["message"]), **{name: fields[name] for name in _FOR_PEOPLE if name in fields})

    def take_own(self, lines: bytes) -> None:
        """Takes lines of Envoy's own log."""
        for line in lines.splitlines():
            skipped = self._budget.take()
            if skipped is None or not line:
                continue
            fields = _fields(line)
            level, message = str(fields.get("level", "warning")), str(fields["message"])
            write = {"error": self._log.error, "critical": self._log.critical}.get(level, self._log.warning)
            if message.startswith(_EXPECTED):
                write = self._log.info
            more = {"skipped": skipped} if skipped else {}
            write(message, logger=fields.get("logger", "envoy"), **more)


def _fields(line: bytes) -> dict[str, Any]:
    """Returns what a line says; one that is no JSON is a message."""
    text = line.decode(errors="backslashreplace")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    return fields if isinstance(fields, dict) and "message" in fields else {"message": text[:_TEXT_MAX]}
