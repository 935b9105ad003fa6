"""Prints results: a table on a terminal, tab-separated columns in a pipe, JSON with `--json`."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import click

from modelservice.domain.text import printable, printable_json, printable_lines

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

# Stands for no value.
NOTHING: Final = "-"
# Spaces between columns on a terminal.
_GAP: Final = 2
# Words of a sentence are folded if they are longer.
_LONGEST_WORD: Final = 40
# The same in tables that are folded rather than printed as blocks.
_LONGEST_FOLDED: Final = 12
# Characters of a value in a table. `--json` has all of it.
BRIEF: Final = 400


def print_rows(
    rows: Sequence[dict[str, Any]], columns: Sequence[str], *, as_json: bool, is_folded: bool = False
) -> None:
    """Prints these columns of the rows.

    On a terminal too narrow for a table, each row is a block of lines; or, if `is_folded`, every cell but the first of
    a row may be folded.
    """
    if as_json:
        print_json([{name: row[name] for name in columns} for row in rows])
        return
    cells = [[_cell(row[name]) for name in columns] for row in rows]
    if not on_a_terminal():
        click.echo("\n".join("\t".join(line) for line in (columns, *cells)))
        return
    headers = [name.replace("_", " ") for name in columns]
    if not _print_table(headers, cells, is_folded=is_folded):
        _print_blocks(headers, cells)


def print_record(record: dict[str, Any], *, as_json: bool) -> None:
    """Prints one line for each field, or a JSON object."""
    if as_json:
        print_json(record)
    elif on_a_terminal():
        _print_blocks([name.replace("_", " ") for name in record], [[_cell(value) for value in record.values()]])
    else:
        rows = [{"field": name, "value": value} for name, value in record.items()]
        print_rows(rows, ("field", "value"), as_json=False)


def brief(value: object, longest: int = BRIEF) -> str:
    """Returns a value of a field, or JSON of any size, for a table."""
    match value:
        case {"characters": int(size), "sha256": str(digest), **others} if not others:
            # What history keeps of a private value.
            return f"({size:,} characters, sha256 {digest[:12]}…)"
    text = cell_text(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def say(sentence: str) -> None:
    """Prints one line on standard output."""
    click.echo(printable(sentence))


def note(sentence: str) -> None:
    """Prints on standard error, for commands whose standard output scripts read."""
    with contextlib.suppress(OSError):
        click.echo(printable_lines(sentence), err=True)


def print_json(content: object) -> None:
    """Prints JSON. Sets become lists, other values that JSON lacks become strings."""
    click.echo(printable_json(json.dumps(content, indent=2, ensure_ascii=False, default=_plain)))


def tracked(items: Sequence[T], what: str) -> Iterable[T]:
    """Returns the items. On a terminal, a bar shows the progress of the iteration."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import track  # noqa: PLC0415

    console = Console(stderr=True)
    return track(items, what, console=console, transient=True, disable=not console.is_terminal)


def time_text(seconds: int | None) -> str | None:
    """Returns Unix seconds as RFC 3339, or None for None."""
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def _cell(value: object) -> str:
    # Tabs and line breaks are escaped, so each value stays in its cell.
    return printable(cell_text(value))


def cell_text(value: object) -> str:
    """Returns a value as tables show it."""
    match value:
        case None | "":
            return NOTHING
        case bool():
            return str(value).lower()
        case dict():
            return json.dumps(value, ensure_ascii=False) if value else NOTHING
        case list() | tuple():
            return " ".join(str(item) for item in value) or NOTHING
        case _:
            return str(value)


def on_a_terminal() -> bool:
    """Whether people see the output as it is printed."""
    return sys.stdout is not None and sys.stdout.isatty()


def _print_table(headers: Sequence[str], cells: Sequence[Sequence[str]], *, is_folded: bool) -> bool:
    """Prints a table in which no id is folded. Returns False, and prints nothing, if the terminal is too narrow."""
    # Slow to import.
    from rich.cells import cell_len  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    def least(cell: str) -> int:
        words = cell.split()
        # A single word may be an id.
        return cell_len(cell) if len(words) == 1 else min(max(map(cell_len, words), default=0), _LONGEST_WORD)

    # Names such as :key: are not emoji.
    console = Console(highlight=False, markup=False, emoji=False)
    room = console.width - _GAP * (len(headers) - 1)
    columns = [(header, *(row[number] for row in cells)) for number, header in enumerate(headers)]
    floors = [max(map(least, column)) for column in columns]
    if is_folded:
        floors = [floors[0], *(min(floor, _LONGEST_FOLDED) for floor in floors[1:])]
    if sum(floors) > room:
        return False
    widths = [max(floor, min(max(map(cell_len, column)), room)) for column, floor in zip(columns, floors, strict=True)]
    lengths = [[cell_len(cell) for cell in row] for row in cells] if is_folded else []

    def worst(number: int) -> tuple[int, int]:
        """Orders columns by how much is lost if they get narrower: lines, or else what is left above the floor."""
        shrunk = [width - (one == number) for one, width in enumerate(widths)]
        lines = sum(max(-(-length // width) for length, width in zip(row, shrunk, strict=True)) for row in lengths)
        return lines, floors[number] - widths[number]

    while sum(widths) > room:
        widths[min((n for n, floor in enumerate(floors) if widths[n] > floor), key=worst)] -= 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header, width in zip(headers, widths, strict=True):
        table.add_column(header, width=width, overflow="fold")
    for row in cells:
        table.add_row(*row)
    console.print(table)
    return True


def _print_blocks(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    width = max(map(len, headers))
    blocks = [
        "\n".join(f"{header:<{width + _GAP}}{cell}" for header, cell in zip(headers, row, strict=True)) for row in cells
    ]
    click.echo("\n\n".join(blocks))
