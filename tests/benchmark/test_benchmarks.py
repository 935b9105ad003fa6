"""The benchmarks run. What they measure is no test's business."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmark import comparison, freshness, size
from tests.support.harness import DEADLINE, ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "arguments",
    [("tests.benchmark.size", "--small"), ("tests.benchmark.freshness", "--changes", "3")],
    ids=["size", "freshness"],
)
def test_a_short_run_prints_a_table_and_leaves_the_results_alone(arguments: tuple[str, ...]) -> None:
    before = [file.read_bytes() for file in (size.RESULTS, freshness.RESULTS)]
    done = subprocess.run(
        [sys.executable, "-m", *arguments, "--databases", "sqlite"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=2 * DEADLINE,
    )

    assert "SQLite" in done.stdout
    assert "the machine's own longest pause" in done.stdout
    assert before == [file.read_bytes() for file in (size.RESULTS, freshness.RESULTS)]


@pytest.mark.parametrize(
    ("module", "row"), [("parts", "together, with a line"), ("filters", "a page of 100")], ids=["parts", "filters"]
)
def test_a_table_is_printed_and_the_results_left_alone(module: str, row: str) -> None:
    before = {file: file.read_bytes() for file in comparison.RESULTS.iterdir()}
    command = [sys.executable, "-m", f"tests.benchmark.{module}", "--small"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=DEADLINE)

    assert row in done.stdout
    assert before == {file: file.read_bytes() for file in comparison.RESULTS.iterdir()}


def compare(path: str) -> str:
    """Runs the small comparison, with the programs of this PATH."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmark.comparison", "--small"],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=3 * DEADLINE,
    )
    return done.stdout


def test_a_small_comparison_prints_tables_and_leaves_the_results_alone() -> None:
    before = {file: file.read_bytes() for file in comparison.RESULTS.iterdir()}
    printed = compare(os.environ["PATH"])

    for loader, protocol in (("wrk", "REST"), ("h2load", "gRPC")):
        there = shutil.which(loader) is not None
        assert there == (f"{protocol}, list of 10" in printed)
        assert there == (f"{loader} is not installed" not in printed)
    assert before == {file: file.read_bytes() for file in comparison.RESULTS.iterdir()}


def test_a_comparison_without_loaders_says_so_and_checks_the_answers(tmp_path: Path) -> None:
    printed = compare(str(tmp_path))

    assert "wrk is not installed. The answers were checked, nothing more." in printed
    assert "h2load is not installed. The answers were checked, nothing more." in printed
    assert "CPU" not in printed
