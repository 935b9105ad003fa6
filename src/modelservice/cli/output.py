"""What commands print: a table for people, JSON for machines."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import click

from modelservice.domain.text import printable, printable_json

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Prints rows on standard output.

    Args:
        rows: What to print.
        columns: The rows' keys, in the order in which they are shown.
        as_json: As a JSON list, rather than as a table.
    """
    if as_json:
        print_json([{name: row[name] for name in columns} for row in rows])
        return
    # Slow to import, and `--json` has no use for it.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(*(name.replace("_", " ") for name in columns), box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    # A pipe has no width: nothing is cut or folded there.
    width = None if sys.stdout.isatty() else 10_000
    Console(width=width, highlight=False, markup=False, soft_wrap=True).print(table)


def print_record(record: dict[str, Any], *, as_json: bool) -> None:
    """Prints one thing on standard output: a line for each field, or a JSON object."""
    if as_json:
        print_json(record)
        return
    print_rows([{"field": name, "value": value} for name, value in record.items()], ("field", "value"), as_json=False)


def print_json(content: object) -> None:
    """Prints JSON on standard output: sets as lists, and what else JSON does not have as texts."""
    click.echo(printable_json(json.dumps(content, indent=2, ensure_ascii=False, default=_plain)))


def tracked(items: Sequence[T], what: str) -> Iterable[T]:
    """Returns the items, and shows on a terminal how many have been taken."""
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
    return printable(_text(value))


def _text(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return str(value).lower()
        case dict():
            return json.dumps(value, ensure_ascii=False) if value else "-"
        case list() | tuple():
            return " ".join(str(item) for item in value) or "-"
        case _:
            return str(value)
