"""A process's standard streams: the log on standard error, and whatever else is written there."""

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
# Of lines that libraries write: how many are logged per second, and how many characters of each.
_FOREIGN_PER_SECOND: Final = 100
_FOREIGN_MAX: Final = 1_000


@contextlib.contextmanager
def line_writer(descriptor: int) -> Iterator[LineWriter]:
    """Opens a writer on a copy of a descriptor, so that the number can be redirected. Closes both at the end."""
    own = os.dup(descriptor)
    writer = LineWriter(own)
    try:
        yield writer
    finally:
        if writer.close():
            os.close(own)


@contextlib.contextmanager
def standard_error_log(level: str, form: str) -> Iterator[tuple[FilteringBoundLogger, LineWriter]]:
    """Opens a log on standard error, and yields it with its writer. For the arguments, see `make_log`."""
    with line_writer(_DESCRIPTOR) as writer:
        yield make_log(writer, level, form), writer


@contextlib.contextmanager
def foreign_lines_logged(log: FilteringBoundLogger) -> Iterator[None]:
    """Logs whatever else the process writes to standard error, such as gRPC's errors and Python's warnings.

    Written directly, such a line would not be JSON, and would block its thread while nothing reads standard error.

    Args:
        log: A log that does not write to descriptor 2 itself.
    """
    kept = os.dup(_DESCRIPTOR)
    read, write = os.pipe()
    # Lines that do not fit are lost: a thread that crashes while it holds the GIL could wait for the reader forever.
    os.set_blocking(write, False)
    os.dup2(write, _DESCRIPTOR)
    os.close(write)
    # A crashing process can no longer read the pipe, so its last words go to the real standard error.
    faulthandler.enable(file=kept)
    threading.excepthook = lambda ended: log.error(
        "uncaught exception in thread", exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback)
    )
    budget = LineBudget(_FOREIGN_PER_SECOND)

    def take(lines: bytes) -> None:
        for line in lines.decode(errors="backslashreplace").splitlines():
            skipped = budget.take()
            if skipped is not None and line:
                log.warning("library output", text=line[:_FOREIGN_MAX], **({"skipped": skipped} if skipped else {}))

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
