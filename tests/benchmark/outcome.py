"""What a comparison has found: medians over its rounds, the targets, and all that as a document."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmark.measuring import CONNECTIONS, Figures
from tests.benchmark.neighbours import Beside, Pair
from tests.benchmark.rows import NEIGHBOUR_LIMIT, ROWS, TARGETS, Row, Target


@dataclass(frozen=True)
class Medians:
    """Of all rounds' measurements of one row and call.

    Attributes:
        cpu: CPU per request in µs, of all processes together.
        parts: The same by process.
        lowest: The lowest of `cpu` in any round.
        highest: The highest.
        throughput: In requests a second.
        p50: In ms.
        p99: In ms.
        memory: RSS in MB.
        peak: The most that was held, in MB.
    """

    cpu: float
    parts: Mapping[str, float]
    lowest: float
    highest: float
    throughput: float
    p50: float
    p99: float
    memory: float
    peak: float

    @classmethod
    def of(cls, measured: Sequence[Figures]) -> Medians:
        totals = [sum(one.cpu.values()) for one in measured]
        median = statistics.median
        return cls(
            cpu=median(totals),
            parts={name: median(one.cpu[name] for one in measured) for name in measured[0].cpu},
            lowest=min(totals),
            highest=max(totals),
            throughput=median(one.load.throughput for one in measured),
            p50=median(one.load.p50 for one in measured),
            p99=median(one.load.p99 for one in measured),
            memory=median(one.memory for one in measured),
            peak=max(one.peak for one in measured),
        )


@dataclass(frozen=True)
class Verdict:
    """What became of a target.

    Attributes:
        what: The target in words.
        limit: Its limit in words.
        ratio: What was measured; None where it was not.
        met: Whether it is met.
    """

    what: str
    limit: str
    ratio: float | None
    met: bool | None


@dataclass(frozen=True)
class Outcome:
    """A whole comparison.

    Attributes:
        facts: When, where, with which versions, and how long it was measured.
        rows: Medians by row and call, in the order of the tables.
        neighbours: Medians by pair.
        left_out: A sentence for each thing that was not measured.
    """

    facts: Mapping[str, Any]
    rows: Mapping[tuple[Row, str], Medians]
    neighbours: Mapping[Pair, Beside]
    left_out: Sequence[str]

    def verdicts(self) -> list[Verdict]:
        """Returns what became of each target."""
        by_name = {(row.name, call): medians for (row, call), medians in self.rows.items()}
        found = [_verdict(target, by_name) for target in TARGETS]
        for pair, beside in self.neighbours.items():
            ratio = beside.beside / beside.alone
            what = f"p99 of get beside a list of 4,500 / alone, {pair.label}"
            found.append(Verdict(what, f"< {NEIGHBOUR_LIMIT:g}", ratio, ratio < NEIGHBOUR_LIMIT))
        return found

    def document(self) -> dict[str, Any]:
        """Returns everything as JSON has it."""
        return {
            **self.facts,
            "connections": CONNECTIONS,
            "units": {"cpu": "µs per request", "throughput": "requests/s", "p50": "ms", "p99": "ms", "memory": "MB"},
            "rows": [
                {"name": row.name, "label": row.label, "protocol": row.protocol, "call": call, **asdict(medians)}
                for (row, call), medians in self.rows.items()
            ],
            "neighbours": [
                {"label": pair.label, "p99 of get alone": one.alone, "beside": one.beside, "lists/s": one.lists}
                for pair, one in self.neighbours.items()
            ],
            "targets": [asdict(verdict) for verdict in self.verdicts()],
            "left out": list(self.left_out),
        }


def median_beside(measured: Sequence[Beside]) -> Beside:
    """Returns the medians of all rounds' measurements of a pair."""
    median = statistics.median
    return Beside(
        alone=median(one.alone for one in measured),
        beside=median(one.beside for one in measured),
        lists=median(one.lists for one in measured),
    )


def _verdict(target: Target, rows: Mapping[tuple[str, str], Medians]) -> Verdict:
    labels = {row.name: row.label for row in ROWS}
    protocol = next(row.protocol for row in ROWS if row.name == target.row)
    above, below = (target.row, target.call), (target.other, target.other_call)
    first = labels[target.row] if target.call == target.other_call else f"{labels[target.row]}, {target.call}"
    what = f"{protocol}, {target.figure}: {first} / {labels[target.other]}, {target.other_call}"
    limit = f"≥ {target.limit:g}" if target.figure == "throughput" else f"≤ {target.limit:g}"
    if above not in rows or below not in rows:
        return Verdict(what, limit, None, None)
    if target.figure == "throughput":
        ratio = rows[above].throughput / rows[below].throughput
    else:
        ratio = rows[above].cpu / rows[below].cpu
    return Verdict(what, limit, ratio, target.met(ratio))
