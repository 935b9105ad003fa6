"""How much the service carries: run as `python -m tests.benchmark.size`. Measures, and asserts nothing."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from rich.console import Console
from rich.table import Table
from sqlalchemy import update

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.catalogue.refresher import Catalogue
from modelservice.domain.principal import MODELS_READ
from modelservice.manage.keys import create_key
from modelservice.manage.lookup import ModelRef
from modelservice.manage.maintenance import migrate
from modelservice.manage.models import update_models
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from modelservice.store.tables import revisions
from modelservice.telemetry import make_log
from tests.benchmark.population import Population, fill
from tests.benchmark.stalls import Stalls
from tests.support.harness import Place, Process, channel, cpu, memory, wait_until
from tests.support.postgres import Cluster

RESULTS = Path(__file__).parent / "results" / "size.json"
FULL = Population(system=5_000, owned=100_000, organizations=10_000, keys=100_000)
SMALL = Population(system=50, owned=1_000, organizations=100, keys=1_000)
_CALLERS = 4
_CALLS_BEFORE = 2_000
_CHANGES = 20
_LISTS = 50
_LONG = 120.0
# At the start, and once more.
_LOADS = 2

Figures = dict[str, float]


def measure(url: str, folder: Path, population: Population) -> Figures:
    """Measures one database."""
    migrate(url)
    fill(url, population)
    owner = _an_organization(url)
    key = create_key(url, "benchmark", owner, scopes={MODELS_READ}).text
    figures = _changes(url) | _stall(url)
    place = Place(folder, {"MODELSERVICE_LOG_CALLS_PER_SECOND": "1"})
    place.database_url = url
    begun = time.monotonic()
    with Process(place, "serve") as process, channel(place.grpc) as one:
        wait_until(lambda: '"SERVING"' in process.errors, "it serves", _LONG)
        figures["first SERVING (s)"] = time.monotonic() - begun
        figures["memory (MB)"] = memory(process.popen.pid)
        stub, metadata = ModelServiceStub(one), (("authorization", f"Bearer {key}"),)
        figures |= _lists(stub, metadata, process)
        with Stalls() as stalls:
            figures |= _reload(url, process, stub, metadata)
        figures["the machine's own longest pause (ms)"] = stalls.longest * 1000
        figures["peak memory (MB)"] = memory(process.popen.pid, "VmHWM")
    return figures


def _an_organization(url: str) -> str:
    found = read_changes(Database(url, Access.READ), None)
    assert found
    return found.organization_models[0].organization_id


def _changes(url: str) -> Figures:
    """Applies changes of one model each in this process, as a server does."""
    database = Database(url, Access.READ, kept=True)
    with contextlib.closing(database):
        catalogue = Catalogue(partial(read_changes, database), 3600, make_log(io.StringIO(), "error"))
        catalogue._refresh()
        snapshot = catalogue.snapshot
        assert snapshot
        own = next(iter(snapshot.records.values()))
        system = next(iter(snapshot.names))
        times: dict[str, list[float]] = {}
        for number in range(_CHANGES):
            for what, ref in (("own", ModelRef(own.name, own.organization_id)), ("system", ModelRef(system))):
                update_models(url, "benchmark", [ref], {"description": f"{what} {number}"}, prompt_quota=10**9)
                begun = time.perf_counter()
                catalogue._refresh()
                times.setdefault(what, []).append((time.perf_counter() - begun) * 1000)
    return {
        f"one change of a {name} model applied (ms)": sorted(values)[len(values) // 2]
        for name, values in (("system", times["system"]), ("organization's", times["own"]))
    }


def _stall(url: str) -> Figures:
    """Loads everything anew in this process; returns for how long at most another thread could not run."""
    database = Database(url, Access.READ, kept=True)
    longest, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.is_set():
            begun = time.perf_counter()
            time.sleep(0.0005)
            longest.append(time.perf_counter() - begun)

    with contextlib.closing(database):
        catalogue = Catalogue(partial(read_changes, database), 3600, make_log(io.StringIO(), "error"))
        catalogue._refresh()
        with Database(url, Access.WRITE).transaction() as connection:
            connection.execute(update(revisions).values(token="1" * 32))
        watcher = threading.Thread(target=watch)
        watcher.start()
        catalogue._refresh()
        done.set()
        watcher.join()
    return {"longest stall of another thread (ms)": max(longest) * 1000}


def _lists(stub: ModelServiceStub, metadata: Any, process: Process) -> Figures:
    first = time.perf_counter()
    listed = stub.ListModels(pb.ListModelsRequest(), metadata=metadata, timeout=_LONG)
    first = (time.perf_counter() - first) * 1000
    begun = cpu(process.popen.pid)
    for _ in range(_LISTS):
        stub.ListModels(pb.ListModelsRequest(), metadata=metadata, timeout=_LONG)
    return {
        "models in an organization's list": len(listed.data),
        "its first list (ms)": first,
        "a list, CPU (ms)": (cpu(process.popen.pid) - begun) / _LISTS * 1000,
    }


def _reload(url: str, process: Process, stub: ModelServiceStub, metadata: Any) -> Figures:
    """Lets the server load everything anew while it is asked, and says how long requests took before and meanwhile."""
    slowest: list[float] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            begun = time.perf_counter()
            stub.GetModel(pb.GetModelRequest(model_id="provider-0/model-0"), metadata=metadata, timeout=_LONG)
            slowest.append((time.perf_counter() - begun) * 1000)

    callers = [threading.Thread(target=ask) for _ in range(_CALLERS)]
    for caller in callers:
        caller.start()
    try:
        wait_until(lambda: len(slowest) >= _CALLS_BEFORE, "calls", _LONG)
        before = len(slowest)
        # Another history: everything is loaded anew.
        begun = time.monotonic()
        with Database(url, Access.WRITE).transaction() as connection:
            connection.execute(update(revisions).values(token="0" * 32))
        wait_until(lambda: process.errors.count('"catalogue loaded"') == _LOADS, "a reload", _LONG)
        seconds = time.monotonic() - begun
    finally:
        done.set()
        for caller in callers:
            caller.join()
    calm, busy = sorted(slowest[:before]), sorted(slowest[before:])
    return {
        "a whole reload (s)": seconds,
        "calls before: p99 (ms)": calm[int(len(calm) * 0.99)],
        "calls before: slowest (ms)": calm[-1],
        "calls meanwhile": len(busy),
        "calls meanwhile: p99 (ms)": busy[int(len(busy) * 0.99)],
        "calls meanwhile: slowest (ms)": busy[-1],
    }


@contextlib.contextmanager
def _databases(folder: Path, names: list[str]) -> Iterator[Iterator[tuple[str, str]]]:
    with contextlib.ExitStack() as stack:

        def each() -> Iterator[tuple[str, str]]:
            for name in names:
                if name == "sqlite":
                    yield "SQLite", f"sqlite:///{folder / 'size.db'}"
                else:
                    cluster = stack.enter_context(Cluster(name))
                    yield f"Postgres {name}", cluster.empty("size")

        yield each()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "18"], metavar="NAME")
    parser.add_argument("--small", action="store_true", help="A hundredth, to see whether it works; writes no results.")
    options = parser.parse_args()
    population = SMALL if options.small else FULL
    console = Console()
    results: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as name, _databases(Path(name), options.databases) as databases:
        for label, url in databases:
            place = Path(name) / label.replace(" ", "-")
            place.mkdir()
            with console.status(f"measuring {label} …"):
                results[label] = measure(url, place, population)
    table = Table("", *results, box=None)
    for what in next(iter(results.values())):
        table.add_row(what, *(f"{figures[what]:,.1f}" for figures in results.values()))
    console.print(table)
    if not options.small:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "grpcio": grpc.__version__}
        RESULTS.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
