"""Turns the outcome of a command into an exit status and, for a failure, one line on standard error."""

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
# EX_SOFTWARE in sysexits.h.
_INTERNAL: Final = 70
# What shells report for SIGINT and SIGPIPE.
_INTERRUPTED: Final = 130
_OUTPUT_CLOSED: Final = 141

# Errors of writes to standard output. They name no file.
_UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class OutputClosedError(Exception):
    """The reader of standard output has exited, as in `modelservice audit | head -1`."""


class CommandGroup(click.Group):
    """A group of commands that reports a closed pipe as `OutputClosedError`. Click would exit with status 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Invokes the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise OutputClosedError from None


def run(command: click.Command) -> int:
    """Runs a command with the arguments of this process.

    A failure prints one line on standard error or, with `--json`, an object: `{"error": {"message": …}}`.

    Returns:
        The exit status: 0, 1 for a failure, 2 for wrong usage, 70 for a defect, 130 for Ctrl-C, 141 for a closed pipe.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Escape what the terminal's encoding lacks, instead of failing.
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
        # `show` also prints the usage.
        return _fail(error.format_message(), error.exit_code, error.show)
    except ModelserviceError as error:
        return _fail(str(error))
    except Exception as error:  # noqa: BLE001  (every failure is one line)
        return _fail_unforeseen(error)
    return status if isinstance(status, int) else 0


def _fail_unforeseen(error: Exception) -> int:
    if isinstance(error, UnicodeEncodeError):
        return _fail("an argument is not valid UTF-8")
    if isinstance(error, OSError) and (error.filename or error.errno in _UNWRITABLE):
        if error.filename is None:
            _discard(sys.stdout)
        return _fail(f"{error.filename or 'standard output'}: {error.strerror}")
    # The text may quote a secret, so it is shown only on request.
    if os.environ.get("MODELSERVICE_LOG_LEVEL") == "debug":
        details = "".join(traceback.format_exception(error))
        return _fail(f"internal error: {type(error).__name__}\n{details}", _INTERNAL)
    return _fail(f"internal error: {type(error).__name__}: MODELSERVICE_LOG_LEVEL=debug shows where", _INTERNAL)


def _fail(message: str, status: int = _FAILED, show: Callable[[IO[str]], None] | None = None) -> int:
    # Click has not parsed the options if the usage is wrong.
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
    """Writes to standard error for at most a second: a slow reader must not keep a server from exiting."""
    from modelservice.telemetry.line_writer import LineWriter  # noqa: PLC0415  (most commands do not fail)

    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError):
        # It is closed, or has no descriptor.
        with contextlib.suppress(OSError):
            click.echo(text, err=True)
        return
    writer = LineWriter(descriptor)
    writer.write(f"{text}\n")
    writer.close()


def _discard(stream: TextIO | None) -> None:
    """Drops a stream's buffer. Python would write it at exit, fail, and change the status."""
    with contextlib.suppress(OSError, ValueError):
        if stream:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
