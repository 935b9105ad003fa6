"""This service beside its peers: `python -m tests.benchmark.comparison` measures, and asserts no figure."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from tests.benchmark import neighbours
from tests.benchmark.checking import Answer, check
from tests.benchmark.measuring import CONNECTIONS, LOADERS, Figures, Request, measure, missing_loaders
from tests.benchmark.neighbours import PAIRS, Beside, Neighbours, Pair
from tests.benchmark.outcome import Medians, Outcome, median_beside
from tests.benchmark.payloads import Payloads, make_payloads
from tests.benchmark.report import print_tables
from tests.benchmark.rows import ROWS, SMALL, STAGES, Row
from tests.benchmark.servers import BENCH, SERVERS, Running, UnavailableError
from tests.benchmark.surroundings import surroundings

RESULTS = Path(__file__).parent / "results"
_ROUNDS = 5
_SECONDS = 3
_SEED = 5
# Requests that a measurement should have; and in seconds, how long it takes at most to have them.
_ENOUGH = 200
_LONGEST = 20
_WIDTH = 140
_NEIGHBOURS = "neighbours"
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Case:
    """What is measured once a round.

    Attributes:
        row: The row of the tables.
        call: Which call.
        request: What is sent.
        roots: The processes of the server.
        answer: What it answers.
    """

    row: Row
    call: str
    request: Request
    roots: tuple[int, ...]
    answer: Answer

    @classmethod
    def of(cls, row: Row, call: str, server: Running, payloads: Payloads) -> Case:
        """Makes sure that the server answers what it should."""
        request = Request.of(row, call, server.port, payloads)
        return cls(row, call, request, server.roots, check(row, call, request, payloads))

    def seconds(self, least: int, requests: int = _ENOUGH) -> int:
        """Returns how long it takes to have so many requests answered, within bounds."""
        # What is under way at the end has cost CPU and is not counted: it must be little beside what is.
        return max(least, min(math.ceil(requests * self.answer.seconds), _LONGEST))


class Comparison:
    """A comparison while it runs.

    Args:
        rounds: How often everything is measured.
        seconds: For how long each time.
        folder: For what it needs.
        console: Where it tells what it does.
    """

    def __init__(self, rounds: int, seconds: int, folder: Path, console: Console) -> None:
        self._rounds = rounds
        self._seconds = seconds
        self._folder = folder
        self._console = console
        self._missing = missing_loaders()
        # The labels of what cannot be had here, by why. A dictionary for its order.
        self._unavailable: dict[str, dict[str, None]] = {}

    def left_out(self) -> list[str]:
        """Returns a sentence for each thing that was not measured."""
        missing = [
            f"{protocol}: {LOADERS[protocol]} is not installed. The answers were checked, nothing more."
            for protocol in self._missing
        ]
        return missing + [f"{'; '.join(labels)}: {why}" for why, labels in self._unavailable.items()]

    def rows(self, rows: Sequence[Row], models: int) -> dict[tuple[Row, str], Medians]:
        """Measures rows with so many models: each row and call once a round, in an order of the round's own."""
        with self._stage(models, {row.server for row in rows}) as (payloads, running, folder):
            there = [row for row in rows if row.server in running]
            cases = [Case.of(row, call, running[row.server], payloads) for row in there for call in STAGES[models]]
            measured: dict[Case, list[Figures]] = {case: [] for case in cases if case.row.protocol not in self._missing}
            # The round before the first is for servers to get warm in, and counts for nothing.
            for number in range(self._rounds + 1):
                for case in _shuffled(list(measured), number):
                    self._say(f"{models:,} models, round {number}: {case.row.protocol}: {case.row.label}, {case.call}")
                    seconds = case.seconds(self._seconds) if number else case.seconds(1, CONNECTIONS)
                    figures = measure(case.request, case.roots, folder, seconds, case.answer.length)
                    if number:
                        measured[case].append(figures)
        return {(case.row, case.call): Medians.of(figures) for case, figures in measured.items()}

    def neighbours(self) -> dict[Pair, Beside]:
        """Measures what a long list does to others."""
        pairs = [pair for pair in PAIRS if pair.protocol not in self._missing]
        with self._stage(neighbours.MODELS, {pair.server for pair in pairs}) as (payloads, running, folder):
            callers = {pair: Neighbours(pair, running, payloads, folder) for pair in pairs}
            measured: dict[Pair, list[Beside]] = {pair: [] for pair in pairs}
            for number in range(1, self._rounds + 1):
                for pair in _shuffled(pairs, number):
                    self._say(f"beside lists of {neighbours.MODELS:,}, round {number}: {pair.label}")
                    measured[pair].append(callers[pair].measure(self._seconds))
        return {pair: median_beside(figures) for pair, figures in measured.items()}

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    @contextlib.contextmanager
    def _stage(self, models: int, names: set[str]) -> Iterator[tuple[Payloads, dict[str, Running], Path]]:
        folder = self._folder / str(models)
        (folder / "payloads").mkdir(parents=True)
        payloads, running = make_payloads(folder / "payloads", models), {}
        with contextlib.ExitStack() as stack:
            for name in [name for name in SERVERS if name in names]:
                self._say(f"{models:,} models: starting {name}")
                (folder / name).mkdir()
                try:
                    running[name] = stack.enter_context(SERVERS[name](payloads, folder / name))
                except UnavailableError as error:
                    label = next(row.label for row in ROWS if row.server == name)
                    self._unavailable.setdefault(str(error), {})[label] = None
            yield payloads, running, folder


def _shuffled(items: Sequence[_T], number: int) -> list[_T]:
    return random.Random(_SEED + number).sample(items, len(items))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="Fewer than usual write no results.")
    parser.add_argument("--seconds", type=int, default=_SECONDS, help="How long each measurement takes.")
    names = [*(row.name for row in ROWS), _NEIGHBOURS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"Some of {', '.join(names)}.")
    parser.add_argument("--json", action="store_true", help="Print the results as JSON.")
    parser.add_argument("--small", action="store_true", help="A few rows for a second, to see whether it works.")
    return parser.parse_args()


def main() -> None:
    if sys.platform != "linux":
        sys.exit("The comparison reads /proc: it runs on Linux alone.")
    options = _options()
    if options.small:
        options.rounds, options.seconds, options.only = 1, 1, list(SMALL)
    python = BENCH / "python"
    whole = not options.only and options.rounds >= _ROUNDS and not missing_loaders() and python.exists()
    names = options.only or [*(row.name for row in ROWS), _NEIGHBOURS]
    rows = [row for row in ROWS if row.name in names]
    found: dict[tuple[Row, str], Medians] = {}
    beside: dict[Pair, Beside] = {}
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(options.rounds, options.seconds, Path(folder), Console(stderr=True, highlight=False))
        for models in (10,) if options.small else STAGES:
            if rows:
                found |= comparison.rows(rows, models)
        if _NEIGHBOURS in names:
            beside = comparison.neighbours()
    facts = {**surroundings(), "rounds": options.rounds, "seconds": options.seconds}
    outcome = Outcome(facts, found, beside, comparison.left_out())
    document = json.dumps(outcome.document(), indent=2, ensure_ascii=False) + "\n"
    if options.json:
        sys.stdout.write(document)
    else:
        console = Console()
        # A table that goes to a file is as wide as it is.
        print_tables(outcome, console if console.is_terminal else Console(width=_WIDTH))
    if whole:
        (RESULTS / "comparison.json").write_text(document)
        chart = [str(python), str(Path(__file__).parent / "chart.py")]
        subprocess.run([*chart, str(RESULTS / "comparison.json"), str(RESULTS / "comparison.svg")], check=True)


if __name__ == "__main__":
    main()
