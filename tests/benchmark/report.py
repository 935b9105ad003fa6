"""The comparison as tables."""

from __future__ import annotations

import itertools

from rich.console import Console
from rich.table import Table

from tests.benchmark.measuring import LOADERS
from tests.benchmark.outcome import Medians, Outcome
from tests.benchmark.rows import GET, TEN, THOUSAND, Row

_MARKS = {True: "met", False: "not met", None: ""}


def print_tables(outcome: Outcome, console: Console) -> None:
    """Prints everything that was found."""
    for protocol, call in itertools.product(LOADERS, (GET, TEN, THOUSAND)):
        rows = [(row, one) for (row, its), one in outcome.rows.items() if (row.protocol, its) == (protocol, call)]
        if rows:
            console.print(_calls(f"{protocol}, {call}", rows))
            console.print()
    if outcome.neighbours:
        console.print(_neighbours(outcome))
        console.print()
    if outcome.rows or outcome.neighbours:
        console.print(_targets(outcome))
        console.print()
    for sentence in outcome.left_out:
        console.print(f"Not measured: {sentence}", highlight=False)


def _calls(title: str, rows: list[tuple[Row, Medians]]) -> Table:
    table = _table(title, "", "CPU µs", "of it", "ratio", "req/s", "p50 ms", "p99 ms", "MB", "peak MB")
    first = rows[0][1]
    for row, medians in rows:
        parts = " + ".join(f"{name} {micros:,.0f}" for name, micros in medians.parts.items())
        table.add_row(
            row.label,
            f"{medians.cpu:,.0f}",
            parts if len(medians.parts) > 1 else "",
            f"{medians.cpu / first.cpu:.2f}",
            f"{medians.throughput:,.0f}",
            f"{medians.p50:.2f}",
            f"{medians.p99:.2f}",
            f"{medians.memory:,.0f}",
            f"{medians.peak:,.0f}",
        )
    return table


def _neighbours(outcome: Outcome) -> Table:
    table = _table("get, beside lists of 4,500", "", "p99 alone ms", "p99 beside ms", "ratio", "lists/s")
    for pair, one in outcome.neighbours.items():
        ratio = one.beside / one.alone
        table.add_row(pair.label, f"{one.alone:.2f}", f"{one.beside:.2f}", f"{ratio:.2f}", f"{one.lists:.0f}")
    return table


def _targets(outcome: Outcome) -> Table:
    table = _table("targets", "", "measured", "should be", "")
    for verdict in outcome.verdicts():
        measured = "–" if verdict.ratio is None else f"{verdict.ratio:.3g}"
        table.add_row(verdict.what, measured, verdict.limit, _MARKS[verdict.met])
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for other in others:
        table.add_column(other, justify="right", no_wrap=True)
    return table
