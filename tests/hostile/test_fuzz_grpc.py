"""Generated gRPC requests, directly and through Envoy: each has a right answer or a documented error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from tests.hostile.fuzz_grpc import Outcome, attempts, send
from tests.support.harness import channel, memory
from tests.support.service import Service

pytestmark = pytest.mark.slow

SEED = 8
QUICK, LONG = 3_000, 500_000


def attack(service: Service, way: str, count: int) -> Outcome:
    place, key = service.place, service.keys.reader
    metadata = (("authorization", f"Bearer {key}"),)
    with channel(place.grpc) as one:
        stub = ModelServiceStub(one)
        listed = [model.id for model in stub.ListModels(pb.ListModelsRequest(), metadata=metadata).data]
        full = [stub.GetModel(pb.GetModelRequest(model_id=name), metadata=metadata) for name in listed]
    names = {model.model_name: model.model_name for model in full} | {model.id: model.model_name for model in full}
    return send(getattr(place, way), attempts(SEED, key, sorted(names)), count, names)


@pytest.mark.parametrize("way", ["grpc", "http"], ids=["directly", "through Envoy"])
def test_generated_calls_have_right_answers_or_documented_errors(service: Service, way: str) -> None:
    outcome = attack(service, way, QUICK)

    assert [] == outcome.wrong[:5]
    assert QUICK == outcome.codes.total()
    # They went everywhere.
    assert {"OK", "INVALID_API_KEY", "INVALID_REQUEST", "MODEL_NOT_FOUND", "NOT_FOUND"} <= outcome.codes.keys()
    assert min(outcome.codes["OK"], outcome.codes["INVALID_REQUEST"]) > QUICK / 20


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", ["grpc", "http"], ids=["directly", "through Envoy"])
def test_a_million_of_them_leave_the_memory_as_it_was(service: Service, way: str, tell: Callable[[str], None]) -> None:
    def held() -> dict[str, float]:
        pids = {"server": next(iter(service.process.workers().values())), "envoy": service.process.children()["envoy"]}
        return {name: memory(pid) for name, pid in pids.items()}

    attack(service, way, 10 * QUICK)
    before = held()
    outcome = attack(service, way, LONG)
    after = held()
    tell(f"{dict(outcome.codes)}; MB before and after: {before}, {after}")

    assert [] == outcome.wrong[:5]
    for name, megabytes in before.items():
        assert after[name] < 1.2 * megabytes + 20, (before, after)
