"""Runs `modelservice` commands in this process: a process of its own takes a second to start."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from unittest import mock

import modelservice
from modelservice.cli import failures
from modelservice.cli import modelservice as group

# What `python -m modelservice` has as its first argument.
_PROGRAM = str(Path(modelservice.__file__).parent / "__main__.py")
# Of the environment, the working directory, the arguments and the streams: a process has one of each.
_lock = threading.Lock()


@contextlib.contextmanager
def _captured(
    environment: Mapping[str, str], folder: Path, argv: Sequence[str], stdin: str
) -> Iterator[tuple[io.BytesIO, ...]]:
    out, err = io.BytesIO(), io.BytesIO()
    streams = [io.TextIOWrapper(one, encoding="utf-8", write_through=True) for one in (out, err)]
    with (
        _lock,
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", list(argv)),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        yield out, err
    # Closing a stream would close what its text is read from.
    for one in streams:
        one.detach()


def run_in_process(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs a command as `python -m modelservice` does in the folder with the environment, and with nothing else."""
    argv = [_PROGRAM, *arguments]
    with _captured(environment, folder, argv, stdin) as streams:
        try:
            status = failures.run(group)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    out, err = (io.TextIOWrapper(io.BytesIO(one.getvalue()), encoding="utf-8").read() for one in streams)
    return subprocess.CompletedProcess(argv, status, out, err)
