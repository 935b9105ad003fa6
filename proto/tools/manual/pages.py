"""Replaces the tables between `<!-- generated: NAME ARGUMENTS -->` and `<!-- end -->` in a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn

Cells = Sequence[Sequence[str]]
# Returns a table with its header, given the arguments of the marker.
MakeTable = Callable[[Sequence[str]], Cells]

_MARKED: Final = re.compile(r"(<!-- generated: ([a-z]+)((?: [a-z_*]+)*) -->\n).*?(<!-- end -->)", re.DOTALL)
_MARKER: Final = "<!-- generated:"


def with_tables(page: str, text: str, tables: Mapping[str, MakeTable]) -> str:
    """Returns a page with new tables.

    Args:
        page: The file's name, for errors.
        text: The page.
        tables: By the name in the marker.

    Raises:
        SystemExit: A marker is malformed or names an unknown table.
    """
    if len(_MARKED.findall(text)) != text.count(_MARKER):
        _fail(page, "a marker is malformed, or `<!-- end -->` is missing")

    def replace(match: re.Match[str]) -> str:
        begin, name, arguments, end = match.groups()
        if name not in tables:
            _fail(page, f"unknown table {name}: must be one of {', '.join(tables)}")
        return f"{begin}\n{markdown(tables[name](arguments.split()))}\n{end}"

    return _MARKED.sub(replace, text)


def markdown(rows: Cells) -> str:
    """Returns a Markdown table. The first row is the header."""
    header, *others = rows
    lines = [header, ["---"] * len(header), *others]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _fail(page: str, problem: str) -> NoReturn:
    raise SystemExit(f"docs/{page}: {problem}")
