"""Five times the load that it can carry: the rest is refused at once, what is taken is answered; then all is well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.hostile.crowd import crowd
from tests.support.harness import ROOT, memory, wait_until
from tests.support.service import Service, running

pytestmark = pytest.mark.slow

MODEL = "/v1/models/gpt-4o"
# Callers who keep it busy.
FEW = 32


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose servers have to answer each request: without the micro-cache, and without limits of rates."""
    with running(tmp_path_factory.mktemp("overload")) as one:
        yield one


def at_a_time() -> int:
    """Returns how many requests one server may have under way, as Envoy says."""
    cluster = yaml.safe_load((ROOT / "envoy.yaml").read_text())["static_resources"]["clusters"][0]
    found: int = cluster["circuit_breakers"]["thresholds"][0]["max_requests"]
    return found


def overload(own: Service, seconds: float, connections: int, tell: Callable[[str], None]) -> None:
    place, key = own.place, own.keys.reader
    request = f"GET {MODEL} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode()
    wait_until(lambda: place.rest(MODEL, key).status == 200, "the model is there")
    with crowd(place.http_port, request, FEW) as few:
        carried = few.ask(seconds)
    before = sum(memory(pid) for pid in own.process.children().values())
    with crowd(place.http_port, request, connections) as many:
        over = many.ask(seconds, 5 * carried.rate)
    ended = time.monotonic()
    wait_until(lambda: all(place.rest(MODEL, key).status == 200 for _ in range(50)), "all is well again")
    well = time.monotonic() - ended

    assert {200} == set(carried.statuses)
    assert {200, 503} == set(over.statuses)
    # What may be under way is answered, however much else is asked for.
    assert over.statuses[200] >= at_a_time()
    assert sum(memory(pid) for pid in own.process.children().values()) - before < 150
    tell(
        f"carries {carried.rate:.0f} a second (p99 {1000 * carried.p99:.0f} ms); of five times that, for "
        f"{seconds:.0f} s, {over.statuses[200]} answered (p99 {1000 * over.p99:.0f} ms), {over.statuses[503]} refused, "
        f"{over.unasked} without a free connection; 50 in a row are answered {well:.1f} s later"
    )


@pytest.mark.usefixtures("many_files")
def test_five_times_what_it_can_carry(own: Service, tell: Callable[[str], None]) -> None:
    overload(own, 1, 2 * at_a_time(), tell)


@pytest.mark.long
@pytest.mark.usefixtures("many_files")
def test_five_times_what_it_can_carry_for_long(own: Service, tell: Callable[[str], None]) -> None:
    overload(own, 10, 5 * at_a_time(), tell)
