"""What a call costs beside grpcio: run as `python -m tests.benchmark.parts`. Measures, and asserts nothing."""

from __future__ import annotations

import argparse
import json
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console
from rich.table import Table

from modelservice.auth import api_key
from modelservice.auth.authenticate import authenticate
from modelservice.auth.authorize import viewer
from modelservice.domain.principal import MODELS_READ, ApiKey
from modelservice.rpc.call import Call
from modelservice.telemetry import LineBudget, LineWriter, make_log
from modelservice.telemetry.metrics import Metrics
from tests.benchmark.surroundings import surroundings

RESULTS = Path(__file__).parent / "results" / "parts.json"
_TIMES, _CALLS = 15, 5_000
# What Envoy sends of a REST request, and the id that it makes.
_METADATA = (
    ("user-agent", "grpc-c++"),
    ("x-request-id", str(uuid.UUID(int=1))),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-proto", "http"),
    ("accept-encoding", "gzip"),
    ("x-envoy-original-path", "/v1/models/gpt-4o"),
    ("x-envoy-original-method", "GET"),
)


def parts() -> dict[str, Callable[[], object]]:
    """Returns what there is to measure, by name."""
    key = api_key.generate()
    record = ApiKey(
        id=key.id, digest=key.digest(), organization_id="acme", name="", scopes=frozenset({MODELS_READ}), created=0
    )
    callers = SimpleNamespace(keys={key.id: record}, clients={})
    now = time.time()
    metrics = Metrics("0").counter("/modelservice.v1.ModelService/GetModel")
    budget = LineBudget(1)
    log = make_log(LineWriter(os.open(os.devnull, os.O_WRONLY)), "info")

    def authenticated() -> None:
        viewer(authenticate([f"Bearer {key.text}"], callers, None, now), ())

    def line() -> None:
        log.info(
            "call",
            method="/modelservice.v1.ModelService/GetModel",
            code="ok",
            request_id=_METADATA[1][1],
            organization="acme",
            key_id=key.id,
            subject=None,
            ms=0.123,
        )

    return {
        "authentication and authorization": authenticated,
        "metadata and request id": lambda: Call().read_headers(_METADATA),
        "metrics": lambda: metrics("ok", 0.000123),
        "log: a line": line,
        "log: a line that is left out": budget.take,
    }


def cost(part: Callable[[], object], times: int) -> float:
    """Returns the CPU time of a part in µs: the lowest of so many measurements."""
    costs = []
    for _ in range(times):
        begun = time.process_time()
        for _ in range(_CALLS):
            part()
        costs.append((time.process_time() - begun) / _CALLS * 1e6)
    return min(costs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="Once each, to see whether it works; writes no results.")
    small = parser.parse_args().small
    costs = {name: round(cost(part, 1 if small else _TIMES), 1) for name, part in parts().items()}
    costs["together, with a line"] = round(sum(list(costs.values())[:-1]), 1)
    table = Table("of one call", "CPU µs", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, micros in costs.items():
        table.add_row(name, f"{micros:.1f}")
    Console().print(table)
    if not small:
        RESULTS.write_text(json.dumps({**surroundings(), "CPU (µs)": costs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
