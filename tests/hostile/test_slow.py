"""Callers who take their time, or come in crowds: refused at the limit, and others are served meanwhile."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.hostile.limiting import changed, crowded, p99, refuses
from tests.hostile.sending import answer
from tests.support.harness import DEADLINE, Place, memory, wait_until
from tests.support.service import Keys, Service, prepare, running

pytestmark = pytest.mark.slow

MODEL = "/v1/models/gpt-4o"
CROWD = 200


def opened(place: Place, count: int, sent: bytes) -> list[socket.socket]:
    """Opens so many connections, and sends something on each, unless it is refused by then."""
    found = []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", place.http_port), timeout=DEADLINE)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            one.sendall(sent)
        found.append(one)
    return found


HEADERS = f"GET {MODEL} HTTP/1.1\r\nhost: x\r\n"
SLOW: dict[str, tuple[bytes, bytes]] = {
    "headers": (HEADERS.encode(), b"HTTP/1.1 504"),
    "body": ((HEADERS + "content-length: 10\r\n\r\nabc").encode(), b"HTTP/1.1 504"),
    "half a chunk": ((HEADERS + "transfer-encoding: chunked\r\n\r\n5\r\nab").encode(), b"HTTP/1.1 504"),
}


def hurried(_: dict[str, Any], manager: dict[str, Any]) -> None:
    manager |= {"request_headers_timeout": "1s", "request_timeout": "1.5s"}
    manager["common_http_protocol_options"]["idle_timeout"] = "1s"


@pytest.fixture
def impatient(place: Place) -> Iterator[tuple[Place, Keys]]:
    """A service whose Envoy waits for a second where it would for ten, or for minutes."""
    keys = prepare(place)
    with changed(place, hurried):
        wait_until(place.ready, "Envoy finds the server")
        yield place, keys


def test_whoever_is_slow_is_refused_and_others_are_served(impatient: tuple[Place, Keys]) -> None:
    place, keys = impatient
    crowds = {name: opened(place, CROWD, sent) for name, (sent, _) in SLOW.items()}
    silent = opened(place, CROWD, b"")

    for _ in range(20):
        assert 200 == place.rest(MODEL, keys.reader).status
    for name, crowd in crowds.items():
        _, expected = SLOW[name]
        assert {expected} == {answer(one)[: len(expected)] for one in crowd}, name
    # Idle connections are ended without a word.
    assert {b""} == {answer(one) for one in silent}
    for one in (one for crowd in (*crowds.values(), silent) for one in crowd):
        one.close()


def test_half_closed_connections_hold_nothing(impatient: tuple[Place, Keys]) -> None:
    place, keys = impatient
    requests = [f"{HEADERS}authorization: Bearer {keys.reader}\r\n\r\n".encode(), HEADERS.encode(), b"", b"\x16\x03"]
    connections = [one for request in requests for one in opened(place, CROWD // 4, request)]
    for one in connections:
        one.shutdown(socket.SHUT_WR)

    # All are at their end, answered or not: nobody waits for more.
    for one in connections:
        answer(one)
        one.close()
    assert 200 == place.rest(MODEL, keys.reader).status


def test_a_connection_too_many_is_refused_and_those_that_are_there_are_served(place: Place) -> None:
    keys = prepare(place)
    with changed(place, crowded(50, evicts=False)):
        wait_until(place.ready, "Envoy finds the server")
        request = f"{HEADERS}authorization: Bearer {keys.reader}\r\n\r\n".encode()
        with contextlib.closing(opened(place, 1, request)[0]) as old:
            assert b"HTTP/1.1 200" == old.recv(65536)[:12]
            idle = opened(place, 60, b"")
            wait_until(lambda: refuses(place), "a connection is refused")
            old.sendall(request)
            assert b"HTTP/1.1 200" == old.recv(65536)[:12]
            for one in idle:
                one.close()
        wait_until(lambda: place.ready() and place.rest(MODEL, keys.reader).status == 200, "there is room again")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("slow")) as one:
        yield one


@pytest.mark.long
@pytest.mark.usefixtures("many_files")
def test_10_000_idle_connections(own: Service, tell: Callable[[str], None]) -> None:
    place, envoy = own.place, own.process.children()["envoy"]
    before, begun = memory(envoy), time.monotonic()
    idle: list[socket.socket] = []
    try:
        # They close by themselves, the first while the last are opened.
        idle += opened(place, 10_000, b"")
        opening = time.monotonic() - begun
        assert {200} == {place.health(path).status for path in ("/healthz", "/readyz") for _ in range(10)}
        wait_until(lambda: serves(own), "others are served")
        tell(
            f"opened within {opening:.1f} s, others served after {time.monotonic() - begun - opening:.1f} s more; "
            f"{memory(envoy) - before:.0f} MB more"
        )
        assert memory(envoy) - before < 300
        assert {b""} == {answer(one) for one in idle}
    finally:
        for one in idle:
            one.close()


@pytest.mark.long
@pytest.mark.usefixtures("many_files")
def test_10_000_connections_that_made_a_request(own: Service, tell: Callable[[str], None]) -> None:
    place = own.place
    begun = time.monotonic()
    kept: list[socket.socket] = []
    try:
        kept += opened(place, 10_000, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        opening = time.monotonic() - begun
        assert {200} == {place.health().status for _ in range(10)}
        wait_until(lambda: serves(own), "others are served")
        tell(f"opened within {opening:.1f} s, others served after {time.monotonic() - begun - opening:.1f} s more")
    finally:
        for one in kept:
            one.close()


def serves(service: Service) -> bool:
    """Says whether a new connection is answered."""
    try:
        return service.place.rest(MODEL, service.keys.reader).status == 200
    except OSError:
        return False


@pytest.mark.long
@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("kind", SLOW)
def test_1_000_slow_callers_with_the_limits_as_they_are(own: Service, kind: str, tell: Callable[[str], None]) -> None:
    sent, expected = SLOW[kind]
    alone = p99(own.place, MODEL, own.keys.reader)
    crowd = opened(own.place, 1_000, sent)
    tell(f"p99 {alone:.1f} ms, {p99(own.place, MODEL, own.keys.reader):.1f} ms beside them")
    assert {expected} == {answer(one)[: len(expected)] for one in crowd}
    for one in crowd:
        one.close()
