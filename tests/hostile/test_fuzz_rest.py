"""Generated REST requests: each has the right answer or a documented error."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from modelservice import errors
from tests.hostile.fuzz_rest import attempts
from tests.hostile.meaning import World
from tests.hostile.sending import Outcome, Sender
from tests.support.harness import memory
from tests.support.service import Service, running

pytestmark = pytest.mark.slow

SEED = 8
QUICK, LONG = 3_000, 100_000
# Answers that a run must have had, each often enough to mean something.
COMMON = ["list", "model", *(kind.code for kind in (errors.INVALID_REQUEST, errors.INVALID_API_KEY, errors.NOT_FOUND))]
RARE = ["not modified", "probe", "document", "grpc", "HEAD", "HEAD 400", errors.METHOD_NOT_ALLOWED.code]
RARE += [kind.code for kind in (errors.MODEL_NOT_FOUND, errors.ACCESS_DENIED, errors.REQUEST_TOO_LARGE)]


@pytest.fixture(scope="module", params=["0", "1"], ids=["each asked of the server", "with the micro-cache"])
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("fuzzed"), {"MODELSERVICE_EDGE_CACHE_TTL": request.param}) as one:
        yield one


def attack(service: Service, count: int, seed: int = SEED) -> Outcome:
    keys = {"reader": service.keys.reader, "without_scope": service.keys.without_scope}
    credentials = {"": ""} | {caller: f"Bearer {key}" for caller, key in keys.items()}
    world = World.of(service.place, service.keys.reader)
    return Sender(service.place.http_port, credentials, world).send(attempts(seed, world), count)


def test_generated_requests_have_right_answers_or_documented_errors(attacked: Service) -> None:
    outcome = attack(attacked, QUICK)

    assert [] == outcome.wrong[:5]
    assert QUICK == outcome.codes.total()
    # They went everywhere.
    assert min(outcome.codes[code] for code in COMMON) > QUICK / 50, outcome.codes
    assert all(outcome.codes[code] for code in RARE), outcome.codes


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_200000_of_them_leave_the_memory_as_it_was(attacked: Service, tell: Callable[[str], None]) -> None:
    def held() -> dict[str, float]:
        return {name: memory(pid) for name, pid in attacked.process.children().items()}

    pids = attacked.process.children()
    attack(attacked, 3 * QUICK, SEED + 1)
    before = held()
    outcome = attack(attacked, LONG)
    after = held()
    tell(f"{dict(outcome.codes)}; MB before and after: {before}, {after}")

    assert [] == outcome.wrong[:5]
    assert LONG == outcome.codes.total()
    # Nothing was started anew.
    assert pids == attacked.process.children()
    for name, megabytes in before.items():
        assert after[name] < 1.2 * megabytes + 20, (before, after)
