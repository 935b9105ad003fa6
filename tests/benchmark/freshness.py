"""How soon a committed change is answered: `python -m tests.benchmark.freshness` measures, and asserts nothing."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.manage.lookup import ModelRef
from modelservice.manage.maintenance import migrate
from modelservice.manage.models import update_models
from tests.benchmark.stalls import Stalls
from tests.support.harness import Place, Process, channel, wait_until
from tests.support.postgres import Cluster
from tests.support.service import prepare

RESULTS = Path(__file__).parent / "results" / "freshness.json"
_SERVERS = 2
_CHANGES = 1_000
_MODEL = "gpt-4o"
_SEED = 5


def measure(url: str, folder: Path, changes: int) -> list[float]:
    """Makes changes, one after the other; returns for each after how many seconds every server answered it."""
    migrate(url)
    places = [Place(folder / str(number), {"MODELSERVICE_LOG_LEVEL": "warning"}) for number in range(_SERVERS)]
    for place in places:
        place.folder.mkdir(parents=True)
        place.database_url = url
    key = prepare(places[0]).reader
    metadata = (("authorization", f"Bearer {key}"),)
    request = pb.GetModelRequest(model_id=_MODEL)
    dice, pause, found = random.Random(_SEED), threading.Event(), []
    processes = [Process(place, "serve") for place in places]
    channels = [channel(place.grpc) for place in places]
    try:
        stubs = [ModelServiceStub(one.__enter__()) for one in channels]
        for place, stub in zip(places, stubs, strict=True):
            wait_until(lambda stub=stub: _answers(stub, request, metadata), f"{place.grpc} answers")  # type: ignore[misc]
        for number in track(range(changes), "changes", console=Console(stderr=True), transient=True):
            window = 1_000 + number
            update_models(url, "benchmark", [ModelRef(_MODEL)], {"context_window": window}, prompt_quota=0)
            committed = time.perf_counter()
            for stub in stubs:
                while stub.GetModel(request, metadata=metadata, timeout=20).context_window != window:
                    pause.wait(0.002)
            found.append(time.perf_counter() - committed)
            # At any moment between two questions of the servers.
            pause.wait(dice.uniform(0, 0.1))
    finally:
        for one in channels:
            one.__exit__(None, None, None)
        for process in processes:
            process.__exit__()
    return found


def _answers(stub: ModelServiceStub, request: pb.GetModelRequest, metadata: tuple[tuple[str, str], ...]) -> bool:
    import grpc  # noqa: PLC0415

    try:
        return bool(stub.GetModel(request, metadata=metadata, timeout=20).id)
    except grpc.RpcError:
        return False


def _share(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "18"], metavar="NAME")
    parser.add_argument("--changes", type=int, default=_CHANGES, help="Fewer write no results.")
    options = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    for name in options.databases:
        with tempfile.TemporaryDirectory() as folder, Stalls() as stalls:
            if name == "sqlite":
                seconds = measure(f"sqlite:///{folder}/test.db", Path(folder), options.changes)
            else:
                with Cluster(name) as cluster:
                    seconds = measure(cluster.empty("freshness"), Path(folder), options.changes)
        label = "SQLite" if name == "sqlite" else f"Postgres {name}"
        results[label] = {
            "p50 (s)": _share(seconds, 0.5),
            "p99 (s)": _share(seconds, 0.99),
            "slowest (s)": max(seconds),
            "the machine's own longest pause (s)": stalls.longest,
        }
    table = Table(f"{options.changes} changes, {_SERVERS} servers", *results, box=None)
    for what in next(iter(results.values())):
        table.add_row(what, *(f"{figures[what]:.3f}" for figures in results.values()))
    Console().print(table)
    if options.changes >= _CHANGES:
        document = {"changes": options.changes, "servers": _SERVERS, "results": results}
        RESULTS.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
