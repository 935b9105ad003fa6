"""What commands print: a table for people, JSON for machines."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Sequence
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Prints rows on standard output.

    Args:
        rows: What to print.
        columns: The rows' keys, in the order in which they are shown.
        as_json: As a JSON list, rather than as a table.
    """
    if as_json:
        click.echo(json.dumps([{name: row[name] for name in columns} for row in rows], indent=2))
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


def time_text(seconds: int | None) -> str | None:
    """Returns Unix seconds as RFC 3339, or None for None."""
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case list():
            return " ".join(str(item) for item in value) or "-"
        case _:
            return str(value)
