"""The benchmarks run. What they measure is no test's business."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.benchmark import freshness, size
from tests.harness import DEADLINE, ROOT


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
