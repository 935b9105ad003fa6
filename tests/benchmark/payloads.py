"""A database of so many models, and what the service answers from it: what every other server answers, too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import grpc

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.domain.principal import MODELS_READ
from modelservice.manage.keys import create_key
from modelservice.manage.maintenance import migrate
from modelservice.manage.organizations import create_organization
from tests.benchmark.population import Population, fill
from tests.support.harness import Place, Process, channel, unary

SERVICE = "/modelservice.v1.ModelService/"


@dataclass(frozen=True)
class Payloads:
    """What is asked for, and what the answer is.

    Attributes:
        folder: Where the answers lie: `get.json`, `list.json`, `get.pb`, `list.pb`, and the id in `get.id`.
        url: The database.
        key: The credential of the caller who is measured.
        other_key: That of another caller.
        model_id: Which model `get` asks for.
        models: How many there are.
    """

    folder: Path
    url: str
    key: str
    other_key: str
    model_id: str
    models: int

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


def make_payloads(folder: Path, models: int) -> Payloads:
    """Fills a database, and asks the service once for each answer."""
    place = Place(folder)
    url = place.database_url
    migrate(url)
    fill(url, Population(system=models, owned=0, organizations=0, keys=0))
    create_organization(url, "benchmark", "acme")
    key, other_key = (create_key(url, "benchmark", "acme", scopes={MODELS_READ}).text for _ in range(2))
    with Process(place, "run") as process, channel(place.grpc) as one:
        process.wait_for("ready: ")
        listed = place.rest("/v1/models", key)
        name = listed.json["data"][0]["id"]
        got = place.rest(f"/v1/models/{name}", key)
        model_id = str(got.json["id"])
        answers = {
            "get.id": model_id.encode(),
            "list.json": listed.body,
            "get.json": got.body,
            "list.pb": _call(one, "ListModels", pb.ListModelsRequest().SerializeToString(), key),
            "get.pb": _call(one, "GetModel", pb.GetModelRequest(model_id=model_id).SerializeToString(), key),
        }
    for file, answer in answers.items():
        (folder / file).write_bytes(answer)
    assert models == len(json.loads(answers["list.json"])["data"])
    return Payloads(folder, url, key, other_key, model_id, models)


def _call(one: grpc.Channel, method: str, message: bytes, key: str) -> bytes:
    answer: bytes = unary(one, SERVICE + method)(message, metadata=(("authorization", f"Bearer {key}"),), timeout=20)
    return answer
