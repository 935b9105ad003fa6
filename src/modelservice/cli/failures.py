"""How a command ends: with which status, and what it says of a failure."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import IO, Final, TextIO

import click

from modelservice.domain.text import printable_json, printable_lines
from modelservice.errors import ModelserviceError

_FAILED: Final = 1
# `sysexits.h` calls it EX_SOFTWARE.
_INTERNAL: Final = 70
# As a shell reports SIGINT and SIGPIPE.
_INTERRUPTED: Final = 130
_OUTPUT_CLOSED: Final = 141

# What a write to standard output fails with. Such an error names no file.
_UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class OutputClosedError(Exception):
    """Nobody reads standard output any more: `modelservice audit | head -1`."""


class CommandGroup(click.Group):
    """A group of commands that tells a reader who has gone from a command that failed."""

    def invoke(self, ctx: click.Context) -> object:
        """Invokes the command.

        Raises:
            OutputClosedError: Standard output is a pipe whose reader has gone. Click would exit with 1.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise OutputClosedError from None


def run(command: click.Command) -> int:
    """Runs a command with the arguments of this process.

    A failure is one line on standard error. With `--json` it is a JSON object there: `{"error": {"message": …}}`.

    Args:
        command: What runs.

    Returns:
        The exit status: 0, 1, 2 for a usage error, 70 for a defect, 130 for Ctrl-C, 141 for a reader who has gone.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = command.main(prog_name="modelservice", standalone_mode=False)
        if sys.stdout:
            sys.stdout.flush()
    except (OutputClosedError, BrokenPipeError):
        _discard(sys.stdout)
        return _OUTPUT_CLOSED
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", _INTERRUPTED)
    except click.ClickException as error:
        # Its own way to show itself says how the command is used, too.
        return _fail(error.format_message(), error.exit_code, error.show)
    except ModelserviceError as error:
        return _fail(str(error))
    except Exception as error:  # noqa: BLE001  (whatever it is, a person reads one line)
        return _fail_unforeseen(error)
    return status if isinstance(status, int) else 0


def _fail_unforeseen(error: Exception) -> int:
    if isinstance(error, UnicodeEncodeError):
        return _fail("an argument is not valid UTF-8")
    if isinstance(error, OSError) and (error.filename or error.errno in _UNWRITABLE):
        if error.filename is None:
            _discard(sys.stdout)
        return _fail(f"{error.filename or 'standard output'}: {error.strerror}")
    # The text of an error that nobody foresaw may quote a secret: it is shown on request alone.
    if os.environ.get("MODELSERVICE_LOG_LEVEL") == "debug":
        details = "".join(traceback.format_exception(error))
        return _fail(f"internal error: {type(error).__name__}\n{details}", _INTERNAL)
    return _fail(f"internal error: {type(error).__name__}: MODELSERVICE_LOG_LEVEL=debug shows where", _INTERNAL)


def _fail(message: str, status: int = _FAILED, show: Callable[[IO[str]], None] | None = None) -> int:
    # Looked for here, as a usage error comes before any option is read.
    if "--json" in sys.argv:
        _say(printable_json(json.dumps({"error": {"message": message}}, ensure_ascii=False)))
    elif show:
        shown = io.StringIO()
        show(shown)
        _say(printable_lines(shown.getvalue().removesuffix("\n")))
    else:
        _say(printable_lines(f"modelservice: {message}"))
    return status


def _say(text: str) -> None:
    """Writes on standard error, for a second at most: a server that ends must end, whoever reads its last words."""
    from modelservice.telemetry.line_writer import LineWriter  # noqa: PLC0415  (most commands do not fail)

    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError):
        # It is closed, or no file.
        with contextlib.suppress(OSError):
            click.echo(text, err=True)
        return
    writer = LineWriter(descriptor)
    writer.write(f"{text}\n")
    writer.close()


def _discard(stream: TextIO | None) -> None:
    """Drops what a stream still holds: Python would write it at the end, fail, and exit with a status of its own."""
    with contextlib.suppress(OSError, ValueError):
        if stream:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
