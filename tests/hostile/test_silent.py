"""Connections without a request: they close by themselves, and never hold up a request or a health check."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from tests.hostile.http2 import PREFACE, Wire, settings
from tests.hostile.limiting import changed, crowded, refuses
from tests.support.authority import rename
from tests.support.harness import DEADLINE, Place, Process, channel, statistic, wait_until
from tests.support.service import Keys, prepare
from tests.support.tls import AUTHORITY, trusting

pytestmark = pytest.mark.slow

REQUEST = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
# Long after they should be closed, and long before an idle connection is, which made a request.
PATIENCE = DEADLINE

# What is sent on a connection, and no more.
PLAIN = {
    "nothing": b"",
    "half a request line": REQUEST[:8],
    "a request line": REQUEST[:24],
    "half a header": REQUEST[:30],
    "half a preface": PREFACE[:10],
    "a preface": PREFACE,
    "a preface and SETTINGS": PREFACE + settings(),
}
# Before the handshake: TLS begins with such a record.
BEFORE_TLS = {"no greeting": b"", "half a greeting": b"\x16\x03\x01\x02\x00\x01"}
# After it. One that stays silent from then on looks to Envoy like one that is kept for later.
WITHIN_TLS = {name: sent for name, sent in PLAIN.items() if name != "nothing"}
KINDS = [("plain", name) for name in PLAIN] + [("TLS", name) for name in (*BEFORE_TLS, *WITHIN_TLS)]


def secured(place: Place) -> Place:
    certificate, key = rename(place.folder / "edge", AUTHORITY.issue())
    place.settings |= {"MODELSERVICE_TLS_CERTIFICATE": str(certificate), "MODELSERVICE_TLS_KEY": str(key)}
    return place


@contextlib.contextmanager
def served(place: Place) -> Iterator[None]:
    """Runs the service."""
    prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield


def connect(port: int, sent: bytes, protocol: str | None = None) -> socket.socket:
    """Opens a connection, with TLS if a protocol is named, and sends something."""
    one = socket.create_connection(("127.0.0.1", port), PATIENCE)
    if protocol:
        one = trusting(AUTHORITY, protocol).wrap_socket(one, server_hostname="localhost")
    one.sendall(sent)
    return one


def ends(one: socket.socket) -> bool:
    """Reads all that comes, and says whether the connection is closed then."""
    try:
        while one.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


@dataclass(frozen=True)
class Fared:
    """How connections fared.

    Attributes:
        closed: Those without a request, by what was sent: whether they were closed.
        again: The second answer on one that made a request before all these.
    """

    closed: dict[str, bool]
    again: bytes


def fare(connections: dict[str, socket.socket], kept: socket.socket) -> Fared:
    """Waits until all but the kept one are closed."""
    assert kept.recv(65536).startswith(b"HTTP/1.1 200")
    closed = {name: ends(one) for name, one in connections.items()}
    kept.sendall(REQUEST)
    again = kept.recv(65536)
    for one in (kept, *connections.values()):
        one.close()
    return Fared(closed, again)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A service that nobody else asks."""
    place = Place(tmp_path_factory.mktemp("small"))
    with served(place):
        yield place


@pytest.fixture(scope="module")
def fared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fared]:
    """Opens all kinds at the same time, without TLS and with it."""
    plain, secure = Place(tmp_path_factory.mktemp("plain")), secured(Place(tmp_path_factory.mktemp("tls")))
    with served(plain), served(secure):
        port = plain.http_port
        without = {name: connect(port, sent) for name, sent in PLAIN.items()}
        kept = connect(port, REQUEST)
        tls_port = secure.http_port
        within = {name: connect(tls_port, sent) for name, sent in BEFORE_TLS.items()}
        within |= {
            name: connect(tls_port, sent, "h2" if "preface" in name else "http/1.1")
            for name, sent in WITHIN_TLS.items()
        }
        kept_secure = connect(tls_port, REQUEST, "http/1.1")
        return {"plain": fare(without, kept), "TLS": fare(within, kept_secure)}


@pytest.mark.parametrize(("way", "sent"), KINDS)
def test_a_connection_without_a_request_is_closed(fared: dict[str, Fared], way: str, sent: str) -> None:
    assert fared[way].closed[sent]


@pytest.mark.parametrize("way", ["plain", "TLS"])
def test_a_connection_that_made_a_request_is_kept(fared: dict[str, Fared], way: str) -> None:
    assert fared[way].again.startswith(b"HTTP/1.1 200")


def test_an_idle_client_of_grpc_keeps_its_connection(small: Place) -> None:
    def connections() -> int:
        return statistic(small, r"http\.edge\.downstream_cx_http2_total")

    with channel(small.http) as one, contextlib.closing(connect(small.http_port, PREFACE + settings())) as deaf:
        check = HealthStub(one).Check
        check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        before = connections()
        # Until one is closed that answers no ping.
        assert ends(deaf)

        check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert before == connections()


def test_connections_kept_after_a_request_make_room_for_others(place: Place) -> None:
    keys = prepare(place)
    with changed(place, crowded(50)), contextlib.ExitStack() as stack:
        wait_until(place.ready, "Envoy finds the server")
        for _ in range(50):
            stack.enter_context(contextlib.closing(connect(place.http_port, REQUEST)))

        wait_until(lambda: answers(place, keys), "others are served")


def test_connections_that_answer_pings_make_room_for_others(place: Place) -> None:
    keys = prepare(place)
    with changed(place, crowded(50)), contextlib.ExitStack() as stack:
        wait_until(place.ready, "Envoy finds the server")
        wires = [stack.enter_context(Wire(place.http_port)) for _ in range(50)]

        def others_are_served() -> bool:
            for wire in wires:
                wire.settle()
            return answers(place, keys)

        wait_until(others_are_served, "others are served")


def answers(place: Place, keys: Keys) -> bool:
    with contextlib.suppress(OSError):
        return place.rest("/v1/models", keys.reader).status == 200
    return False


def test_idle_connections_with_tls_make_room_for_others(place: Place) -> None:
    prepare(secured(place))
    with changed(place, crowded(50)), contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(contextlib.closing(connect(place.http_port, b"", "http/1.1")))

        def others_are_served() -> bool:
            # Where there is no room, the connection ends without an answer.
            with contextlib.suppress(OSError), contextlib.closing(connect(place.http_port, REQUEST, "http/1.1")) as one:
                return one.recv(65536).startswith(b"HTTP/1.1 200")
            return False

        wait_until(others_are_served, "others are served")


@pytest.fixture
def full(place: Place) -> Iterator[Place]:
    """A service whose connections are all held by somebody."""
    prepare(place)
    with changed(place, crowded(20, evicts=False)), contextlib.ExitStack() as stack:
        wait_until(lambda: place.health("/readyz").status == 200, "Envoy finds the server")
        for _ in range(20):
            stack.enter_context(contextlib.closing(connect(place.http_port, b"")))
        wait_until(lambda: refuses(place), "a connection is refused")
        yield place


def test_health_checks_are_answered_while_callers_hold_all_connections(full: Place) -> None:
    assert {200} == {full.health(path).status for path in ("/healthz", "/readyz") for _ in range(20)}


def test_envoys_administration_answers_while_callers_hold_all_connections(full: Place) -> None:
    assert statistic(full, rf"listener\.127\.0\.0\.1_{full.http_port}\.downstream_global_cx_overflow")


@pytest.mark.parametrize("sent", ["nothing", "half a header", "a preface and SETTINGS"])
def test_the_listener_for_health_checks_keeps_no_connection(small: Place, sent: str) -> None:
    with contextlib.closing(connect(small.health_port, PLAIN[sent])) as one:
        assert ends(one)


def test_with_few_files_callers_hold_up_neither_health_checks_nor_others(place: Place) -> None:
    keys = prepare(place)
    with Process(place, "run", files=256) as process, contextlib.ExitStack() as stack:
        process.wait_for("ready: ")
        for _ in range(250):
            stack.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", place.http_port), PATIENCE)))

        assert {200} == {place.health(path).status for path in ("/healthz", "/readyz")}
        wait_until(lambda: answers(place, keys), "others are served")
