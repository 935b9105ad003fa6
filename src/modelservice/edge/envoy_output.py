"""Envoy's output: always read at once, and dropped if it cannot be passed on.

Envoy keeps unread log lines in memory, without a limit.
"""

from __future__ import annotations

import json
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from modelservice.telemetry import LineBudget, LineWriter

# Lines of Envoy's own log per second. A failing script logs a line for each request.
_OWN_PER_SECOND: Final = 100
# Maximum length, in characters, of a line that is not in ENVOY_LOG_FORMAT.
_TEXT_MAX: Final = 1_000
# The fields of a request that a terminal shows. JSON has the rest.
_FOR_PEOPLE: Final = ("method", "path", "status", "reason", "client", "peer", "details", "ms", "request_id")
ENVOY_LOG_FORMAT: Final = '{"level":"%l","message":"%j","logger":"envoy.%n"}'
# Logged as warnings by Envoy, although expected: that it is ended, and an option that it calls work in progress.
_EXPECTED: Final = ("caught ENVOY_SIGTERM", "field 'envoy.config.core.v3.Http1ProtocolOptions.allow_custom_methods'")


class EnvoyOutput:
    """Passes on Envoy's output: its access log to standard output, its own log to the process's log.

    Args:
        log: The process's log.
        access: Writes the access log unchanged, as JSON.
        for_people: Whether the access log goes to the process's log instead, for people on a terminal.
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
    """Returns the fields of a line. A line that is not JSON becomes a message."""
    text = line.decode(errors="backslashreplace")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    return fields if isinstance(fields, dict) and "message" in fields else {"message": text[:_TEXT_MAX]}
