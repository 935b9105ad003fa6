"""Reads untrusted files. Bounds are checked before any value is built."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

# LiteLLM's catalogue has 2 MB and 135,000 values, an export of 5,000 models 2 MB and 110,000. Prompts can be long.
BYTES_MAX: Final = 64 * 1024 * 1024
VALUES_MAX: Final = 2_000_000
# A model's metadata has at most 30 levels.
DEPTH_MAX: Final = 64
# Longer integers exceed every bound, and Python refuses very long ones.
_DIGITS_MAX: Final = 20
# Runs in linear time: it never backtracks, and an unclosed string ends with the text.
_JSON_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS: Final = re.compile(r"[^\[\]{}]+")


class UnusableFileError(ValueError):
    """A file cannot be read, or exceeds a bound. The caller prefixes the text with the file's name."""


class Repeated(dict[str, Any]):
    """An object with names that appear more than once in the file. `earlier` has their members but the last."""

    def __init__(self, members: Mapping[str, Any], earlier: list[tuple[str, Any]]) -> None:
        super().__init__(members)
        self.earlier = earlier


def read_text(path: Path, most: int = BYTES_MAX) -> str:
    """Returns the text of a regular file: UTF-8, with or without a byte order mark.

    Raises:
        UnusableFileError: It cannot be read, has more than `most` bytes, is not UTF-8, or is a FIFO or a device.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnusableFileError("must be a regular file")
            return read_stream(file, most)
    except OSError as error:
        raise UnusableFileError(str(error.strerror)) from None


def read_stream(file: BinaryIO, most: int = BYTES_MAX) -> str:
    """Returns the text of an open file, such as standard input, and raises what `read_text` raises."""
    data = file.read(most + 1)
    if len(data) > most:
        raise UnusableFileError(f"has more than {most} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableFileError(f"is not UTF-8: byte {error.start}") from None


def parse_json(text: str) -> Any:  # noqa: ANN401  (JSON)
    """Returns the value of a JSON text. Objects with repeated names are `Repeated`.

    Raises:
        UnusableFileError: It is not JSON, or exceeds a bound.
    """
    marks = _JSON_STRING.sub("", text)
    require_values(sum(map(marks.count, ",:[{")))
    depth = 0
    for bracket in _NO_BRACKETS.sub("", marks):
        depth += 1 if bracket in "[{" else -1
        require_depth(depth)
    try:
        return json.loads(text, object_pairs_hook=object_of, parse_int=_integer)
    except ValueError as error:
        raise UnusableFileError(f"is not JSON: {error}") from None


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the object with these members: a `Repeated` if a name appears more than once."""
    content = dict(pairs)
    if len(content) == len(pairs):
        return content
    last = {name: number for number, (name, _) in enumerate(pairs)}
    return Repeated(content, [pair for number, pair in enumerate(pairs) if last[pair[0]] != number])


def require_values(count: int) -> None:
    """Raises UnusableFileError if there are too many values and names."""
    if count > VALUES_MAX:
        raise UnusableFileError(f"has more than {VALUES_MAX} values")


def require_depth(depth: int) -> None:
    """Raises UnusableFileError if values are nested too deep."""
    if depth > DEPTH_MAX:
        raise UnusableFileError(f"is nested deeper than {DEPTH_MAX} levels")


def _open_at_once(path: str, flags: int) -> int:
    # Otherwise opening a FIFO waits for a writer.
    return os.open(path, flags | os.O_NONBLOCK)


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _DIGITS_MAX else float(text)
