"""The benchmarks run. What they measure is no test's business."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmark import comparison, freshness, size
from tests.benchmark.servers import BENCH
from tests.support.harness import DEADLINE, ROOT

pytestmark = pytest.mark.slow

# Rows whose servers are in tests/benchmark/peers and in Python.
PEERS = (
    "plain",
    "fastapi",
    "fastapi-sqlalchemy",
    "fastapi-held",
    "fastapi-ready",
    "asgi",
    "grpc-echo-core",
    "grpc-echo",
    "grpc-echo-listener",
    "grpc-aio",
    "grpc-aio-ready",
    "grpclib",
)


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


def compare(path: str, *options: str) -> str:
    """Runs a comparison, with the programs of this PATH."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmark.comparison", *options],
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
    printed = compare(os.environ["PATH"], "--small")

    for loader, protocol in (("wrk", "REST"), ("h2load", "gRPC")):
        there = shutil.which(loader) is not None
        assert there == (f"{protocol}, list of 10" in printed)
        assert there == (f"{loader} is not installed" not in printed)
    assert before == {file: file.read_bytes() for file in comparison.RESULTS.iterdir()}


def test_a_comparison_without_loaders_says_so_and_checks_the_answers(tmp_path: Path) -> None:
    printed = compare(str(tmp_path), "--small")

    assert "wrk is not installed. The answers were checked, nothing more." in printed
    assert "h2load is not installed. The answers were checked, nothing more." in printed
    assert "CPU" not in printed


@pytest.mark.skipif(not BENCH.exists(), reason="`make test-slow` installs what the peers need")
def test_each_python_peer_answers_as_the_service_does(tmp_path: Path) -> None:
    printed = compare(str(tmp_path), "--only", *PEERS)

    assert sorted(line for line in printed.splitlines() if line.startswith("Not measured: ")) == [
        "Not measured: REST: wrk is not installed. The answers were checked, nothing more.",
        "Not measured: gRPC: h2load is not installed. The answers were checked, nothing more.",
    ]
