"""What a filtered list costs: run as `python -m tests.benchmark.filters`. Measures, and asserts nothing."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.domain.principal import MODELS_READ
from modelservice.manage.keys import create_key
from modelservice.manage.maintenance import migrate
from modelservice.manage.organizations import create_organization
from modelservice.manage.system_catalogue import import_catalogue
from tests.benchmark.surroundings import surroundings
from tests.support.harness import Place, Process, channel, cpu

RESULTS = Path(__file__).parent / "results" / "filters.json"
_MODELS, _CALLS = 5_000, 200
_CAPABILITIES = ("text-generation", "reasoning", "multimodal", "code-generation")
# With the whole list, made once per change, to compare with.
QUERIES: dict[str, dict[str, Any]] = {
    "(the whole list)": {},
    "capability": {"capability": ["reasoning"]},
    "window and price": {"min_context_window": 100_000, "max_cost_per_1k_tokens": 0.01},
    "two words": {"q": "model chat"},
    # The most that there may be, each in every model: the last one is looked for in all of them.
    "eight words": {"q": "model provider a medium for siz of m"},
    "every filter": {
        "capability": ["reasoning"],
        "compliance": ["soc2"],
        "owned_by": [f"provider-{number}" for number in range(10)],
        "min_context_window": 8_192,
        "max_cost_per_1k_tokens": 0.01,
        "encryption_supported": True,
        "pii_redaction_supported": True,
        "q": "model",
        "order_by": "context_window desc",
    },
    "no filter, by price": {"order_by": "cost_per_1k_tokens"},
    "a page of 100": {"page_size": 100},
    "a page of 100, a capability, by window": {
        "capability": ["reasoning"],
        "order_by": "context_window desc",
        "page_size": 100,
    },
}


def entry(dice: random.Random, number: int) -> dict[str, Any]:
    return {
        "name": f"provider-{number % 40}/model-{number}",
        "display_name": f"Model {number}",
        "provider": f"provider-{number % 40}",
        "description": f"A model for {dice.choice(['chat', 'code', 'search'])}, of medium size.",
        "context_window": dice.choice([0, 8_192, 32_000, 128_000, 200_000]),
        "cost_per_1k_tokens": dice.choice([None, 0.001, 0.01, 0.1]),
        "capabilities": dice.sample(_CAPABILITIES, 2),
        "compliance": dice.sample(["soc2", "gdpr", "hipaa"], 2),
        "encryption_supported": dice.random() < 0.5,
        "pii_redaction_supported": dice.random() < 0.5,
    }


def measure(models: int, calls: int) -> dict[str, dict[str, float]]:
    """Returns what each query costs the server, in milliseconds of CPU, over gRPC and behind Envoy."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        migrate(place.database_url)
        dice = random.Random(7)
        import_catalogue(place.database_url, "benchmark", [entry(dice, number) for number in range(models)])
        create_organization(place.database_url, "benchmark", "acme")
        key = create_key(place.database_url, "benchmark", "acme", scopes={MODELS_READ}).text
        with Process(place, "run") as process, channel(place.grpc) as one:
            process.wait_for("ready: ")
            (server,) = process.workers().values()
            stub, metadata = ModelServiceStub(one), (("authorization", f"Bearer {key}"),)
            http = HTTPConnection("127.0.0.1", place.http_port)

            def per_call(call: Callable[[], object]) -> float:
                call()
                begun = cpu(server)
                for _ in range(calls):
                    call()
                return round((cpu(server) - begun) / calls * 1000, 2)

            def get(path: str, encoding: str) -> int:
                http.request("GET", path, headers={"authorization": f"Bearer {key}", "accept-encoding": encoding})
                answer = http.getresponse()
                size = len(answer.read())
                assert 200 == answer.status
                return size

            def costs(query: dict[str, Any]) -> dict[str, float]:
                words = {name: str(value).lower() if value is True else value for name, value in query.items()}
                path = f"/v1/models?{urlencode(words, doseq=True)}"
                request = pb.ListModelsRequest(**query)
                return {
                    "models": len(stub.ListModels(request, metadata=metadata).data),
                    "gRPC": per_call(lambda: stub.ListModels(request, metadata=metadata)),
                    "REST": per_call(lambda: get(path, "identity")),
                    "REST, gzip": per_call(lambda: get(path, "gzip")),
                }

            figures = {name: costs(query) for name, query in QUERIES.items()}
            http.close()
            return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="Few models and calls, to see whether it works.")
    small = parser.parse_args().small
    figures = measure(50, 2) if small else measure(_MODELS, _CALLS)
    table = Table("CPU of the server, ms a call", *next(iter(figures.values())), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in figures.items():
        table.add_row(name, *(f"{value:g}" for value in row.values()))
    Console().print(table)
    if not small:
        RESULTS.write_text(json.dumps({**surroundings(), "CPU (ms)": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
