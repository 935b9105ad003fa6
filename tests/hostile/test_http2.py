"""Frames that abuse HTTP/2: the caller is cut off, refused or served; nobody else notices.

Through Envoy, and past it, on the gRPC port.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.hostile.http2 import Heard, Wire, block
from tests.hostile.http2_attacks import ATTACKS, NOT_HELD, TAKEN, Attack, Request
from tests.hostile.http2_messages import ANSWERS, FORBIDDEN, MEANT, Headers, answer
from tests.support.harness import memory
from tests.support.load import Load
from tests.support.service import Service, running

pytestmark = pytest.mark.slow

WAYS = ("Envoy", "gRPC")
# Turns of a flood. The long form sends 20,000 (`Attack.count`), again and again.
QUICK = 3_000
# Attackers at a time. Envoy lets a second pass before it closes.
ATTACKERS = {"Envoy": 24, "gRPC": 4}
# Of the long form, and for how long each attacks, in seconds.
PERSISTENT, PERSISTENCE = 2, 3.0


@dataclass(frozen=True)
class Target:
    """Where attacks go.

    Attributes:
        port: Of Envoy or the server.
        request: One that is answered with the whole list.
        headers: Its headers.
    """

    port: int
    request: Request
    headers: Headers


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of these tests' own: what it holds is theirs."""
    with running(tmp_path_factory.mktemp("http2")) as one:
        yield one


def target(service: Service, way: str) -> Target:
    credential = ("authorization", f"Bearer {service.keys.reader}")
    if way == "Envoy":
        start = [(":method", "GET"), (":scheme", "http"), (":path", "/v1/models"), (":authority", "x")]
        headers: Headers = [*start, credential]
        return Target(service.place.http_port, Request(block(headers), b""), headers)
    start = [(":method", "POST"), (":scheme", "http"), (":path", "/modelservice.v1.ModelService/ListModels")]
    rest = [(":authority", "x"), ("te", "trailers"), ("content-type", "application/grpc")]
    headers = [*start, *rest, credential]
    return Target(service.place.grpc_port, Request(block(headers), bytes(5)), headers)


def attack(at: Target, one: Attack, most: int) -> Heard:
    with Wire(at.port, one.first, reads=one.reads, acknowledges=one.acknowledges) as wire:
        wire.send(itertools.islice(one.frames(at.request), min(one.count, most)))
        return wire.settle()


def bystanders(service: Service) -> Load:
    """Returns callers on connections of their own."""
    return Load(service.place, lambda: (service.keys.reader, "reader"), ("REST", "gRPC", "gRPC through Envoy"), 3)


def processes(service: Service) -> dict[str, int]:
    return {"server": next(iter(service.process.workers().values())), "envoy": service.process.children()["envoy"]}


@dataclass(frozen=True)
class Found:
    """What came of the attacks of one way.

    Attributes:
        way: Which.
        heard: What each attacker heard.
        answers: What was said to each forbidden request, and to the right one after it.
        failures: What went wrong for others meanwhile.
    """

    way: str
    heard: dict[str, Heard]
    answers: dict[str, tuple[list[str], list[str]]]
    failures: list[object]


@pytest.fixture(scope="module", params=WAYS)
def found(request: pytest.FixtureRequest, attacked: Service) -> Found:
    way: str = request.param
    at = target(attacked, way)
    names = [name for name in ATTACKS if (way, name) not in NOT_HELD]
    before = processes(attacked)
    with bystanders(attacked) as others, ThreadPoolExecutor(ATTACKERS[way]) as pool:
        answers = pool.map(lambda wrong: answer(at.port, at.headers, at.request, wrong), FORBIDDEN.values())
        heard = pool.map(lambda name: attack(at, ATTACKS[name], QUICK), names)
        result = dict(zip(names, heard, strict=True)), dict(zip(FORBIDDEN, answers, strict=True))
        others.wait_for_more(10, "reader")
    # Nothing of it died and was started again.
    assert before == processes(attacked)
    return Found(way, *result, others.failures)


def test_the_attacker_is_cut_off_or_refused(found: Found) -> None:
    taken = {name for name, one in found.heard.items() if not (one.is_over or one.goaway or one.refusals)}

    assert set() == taken - TAKEN[found.way]
    # The test can tell.
    assert "flood of an unknown kind" in taken


def test_others_have_right_answers_throughout(found: Found) -> None:
    assert [] == found.failures


def test_a_forbidden_request_is_refused_and_the_next_one_answered(found: Found) -> None:
    for name, (wrong, right) in found.answers.items():
        assert ANSWERS[found.way] == right, name
        assert name in MEANT[found.way] or refused(wrong), (name, wrong)


def refused(said: list[str]) -> bool:
    """Says whether a request was refused: by its stream's end, by HTTP, by gRPC."""
    return bool(said) and any(one not in {*ANSWERS["gRPC"], "reset 0"} for one in said)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", WAYS)
def test_attackers_who_come_again_leave_the_memory_as_it_was(
    attacked: Service, way: str, tell: Callable[[str], None]
) -> None:
    at = target(attacked, way)

    def persist(one: Attack) -> int:
        end, turns = time.monotonic() + PERSISTENCE, 0
        while time.monotonic() < end:
            attack(at, one, one.count)
            turns += 1
        return turns

    pids = processes(attacked)
    before = {name: memory(pid) for name, pid in pids.items()}
    with ThreadPoolExecutor(PERSISTENT) as pool:
        for name, one in ATTACKS.items():
            if (way, name) not in NOT_HELD:
                with bystanders(attacked) as others:
                    connections = sum(pool.map(persist, [one] * PERSISTENT))
                    others.wait_for_more(10, "reader")
                after = {name: memory(pid) for name, pid in pids.items()}
                tell(f"{name}: {connections} connections, others {dict(others.answered)}, MB {after}")
                assert [] == others.failures[:3], name
                for process, megabytes in after.items():
                    assert megabytes < 1.5 * before[process] + 150, (name, before, after)
    assert pids == processes(attacked)
