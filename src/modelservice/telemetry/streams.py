"""A process's standard streams: the log on standard error, and what else is written there."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import threading
from collections.abc import Iterator
from typing import Final

from structlog.typing import FilteringBoundLogger

from modelservice.telemetry.line_reader import LineReader
from modelservice.telemetry.line_writer import LineWriter
from modelservice.telemetry.logs import LineBudget, make_log

_DESCRIPTOR: Final = 2
# How many lines of libraries are logged per second, and how long one may be, in characters.
_FOREIGN_PER_SECOND: Final = 100
_FOREIGN_MAX: Final = 1_000


@contextlib.contextmanager
def line_writer(descriptor: int) -> Iterator[LineWriter]:
    """Opens what writes lines to a descriptor, whatever becomes of its number. The last lines are written at the end.

    Args:
        descriptor: 1 for standard output, 2 for standard error.
    """
    own = os.dup(descriptor)
    writer = LineWriter(own)
    try:
        yield writer
    finally:
        if writer.close():
            os.close(own)


@contextlib.contextmanager
def standard_error_log(level: str, form: str) -> Iterator[tuple[FilteringBoundLogger, LineWriter]]:
    """Opens a log on standard error.

    Args:
        level: The least severe level to write.
        form: `json`, `console` or `auto`.

    Yields:
        The log, and what writes it.
    """
    with line_writer(_DESCRIPTOR) as writer:
        yield make_log(writer, level, form), writer


@contextlib.contextmanager
def foreign_lines_logged(log: FilteringBoundLogger) -> Iterator[None]:
    """Makes lines of the log out of whatever else the process writes on standard error.

    gRPC's library reports refused handshakes there, Python its warnings. Written directly, such a line would stop its
    thread when nobody reads standard error, and stand as text among JSON.

    Args:
        log: The log, which must not write on descriptor 2 itself.
    """
    kept = os.dup(_DESCRIPTOR)
    read, write = os.pipe()
    # What does not fit is lost: a thread that dies with Python's lock could otherwise wait for the reader for ever.
    os.set_blocking(write, False)
    os.dup2(write, _DESCRIPTOR)
    os.close(write)
    # A process that crashes has no reader any more. Its last words go where an operator looks.
    faulthandler.enable(file=kept)
    threading.excepthook = lambda ended: log.error(
        "a thread ended", exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback)
    )
    budget = LineBudget(_FOREIGN_PER_SECOND)

    def take(lines: bytes) -> None:
        for line in lines.decode(errors="backslashreplace").splitlines():
            skipped = budget.take()
            if skipped is not None and line:
                log.warning("from a library", text=line[:_FOREIGN_MAX], **({"skipped": skipped} if skipped else {}))

    reader = LineReader(read, take)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        faulthandler.disable()
        threading.excepthook = threading.__excepthook__
        os.dup2(kept, _DESCRIPTOR)
        os.close(kept)
        reader.close()
