"""What a server tells of itself, part by part."""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import socket
import threading
from collections.abc import Iterator

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from modelservice.telemetry import LineBudget, make_log
from modelservice.telemetry.endpoint import CONNECTIONS_MAX, MetricsEndpoint
from modelservice.telemetry.metrics import Metrics, State
from tests.support.harness import wait_until
from tests.support.ports import free_ports


class Shown:
    """Metrics that are to be read, and what the log says of it."""

    def __init__(self) -> None:
        self.metrics, self.lines = Metrics("1.2.3"), io.StringIO()
        self._others = set(threading.enumerate())
        (self.port,) = free_ports(1)
        self.endpoint = MetricsEndpoint("127.0.0.1", self.port, self.metrics.registry, make_log(self.lines, "info"))

    @property
    def clients(self) -> int:
        """How many have a thread."""
        return sum("process_request_thread" in thread.name for thread in {*threading.enumerate()} - self._others)

    def get(self, path: str = "/metrics") -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read().decode()


@pytest.fixture
def shown() -> Iterator[Shown]:
    one = Shown()
    yield one
    one.endpoint.close()


@pytest.fixture
def slow(shown: Shown) -> Iterator[list[socket.socket]]:
    """As many clients as there may be, each of which sends a part of a request."""
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", shown.port))) for _ in range(CONNECTIONS_MAX)
        ]
        for client in clients:
            client.sendall(b"GET ")
        wait_until(lambda: CONNECTIONS_MAX == shown.clients, "each has a thread")
        yield clients


def is_closed(client: socket.socket) -> bool:
    try:
        return b"" == client.recv(1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_a_reader_is_answered_beside_as_many_slow_clients_as_there_may_be(
    shown: Shown, slow: list[socket.socket]
) -> None:
    for _ in range(2 * CONNECTIONS_MAX):
        assert answers(shown)

    assert is_closed(slow[0])
    assert "" == shown.lines.getvalue()


def test_so_many_clients_are_served_at_most(shown: Shown, slow: list[socket.socket]) -> None:
    def oldest_made_room() -> bool:
        assert len(shown.endpoint._deadlines) <= CONNECTIONS_MAX
        return all(map(is_closed, slow))

    with contextlib.ExitStack() as stack:
        for _ in range(3 * CONNECTIONS_MAX):
            stack.enter_context(socket.create_connection(("127.0.0.1", shown.port)))
        wait_until(oldest_made_room, "the oldest make room")


def test_a_client_who_sends_a_byte_now_and_then_is_sent_away(shown: Shown, slow: list[socket.socket]) -> None:
    def trickle() -> bool:
        for client in slow:
            with contextlib.suppress(OSError):
                client.send(b"x")
        return all(map(is_closed, slow))

    wait_until(trickle, "the connections end, although none was silent")
    wait_until(lambda: 0 == shown.clients, "so do their threads")
    assert "" == shown.lines.getvalue()


def test_a_client_who_reads_nothing_is_sent_away(shown: Shown) -> None:
    shown.metrics.registry.register(Large())
    with socket.create_connection(("127.0.0.1", shown.port)) as deaf:
        deaf.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        wait_until(lambda: 1 == shown.clients, "it is served")

        wait_until(lambda: 0 == shown.clients, "its thread ends")
    assert "" == shown.lines.getvalue()


class Large(Collector):
    """A metric that no socket buffer holds."""

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("large", "x" * 30_000_000, value=1)


def answers(shown: Shown) -> bool:
    try:
        return 'modelservice_build_info{version="1.2.3"} 1.0' in shown.get()
    except (OSError, http.client.HTTPException):
        return False


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\naccept: application/openmetrics-text; version=x\r\n\r\n", b"HTTP/1.0 200 OK"),
        (b"GET /metrics?name[]=x HTTP/1.1\r\naccept-encoding: gzip;q=x\r\n\r\n", b"HTTP/1.0 200 OK"),
        (b"GET http://[::1/metrics HTTP/1.1\r\n\r\n", b"HTTP/1.0 404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\ncontent-length: 1\r\n\r\na", b"HTTP/1.0 501 Unsupported method ('POST')"),
    ],
)
def test_a_reader_gets_the_one_format_whatever_it_asks_for(shown: Shown, request_: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", shown.port), timeout=10) as one, one.makefile("rb") as received:
        one.sendall(request_)
        answer = received.read()

    assert (status, b" 200 " in status) == (answer.partition(b"\r\n")[0], b"\nmodelservice_build_info{" in answer)
    assert "" == shown.lines.getvalue()


def test_a_client_who_says_nothing_is_sent_away(shown: Shown) -> None:
    with socket.create_connection(("127.0.0.1", shown.port), timeout=30) as idle:
        idle.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert b"" == idle.recv(1)


def test_a_state_that_cannot_be_told_is_in_the_log(shown: Shown) -> None:
    broken = False

    def state() -> State:
        if broken:
            raise ValueError
        return {
            "modelservice_ready": True,
            "modelservice_catalogue_revision": 1,
            "modelservice_catalogue_models": {"system": 2, "organization": 3},
            "modelservice_catalogue_keys": 4,
            "modelservice_catalogue_quarantined_rows": {"api_keys": 1},
            "modelservice_catalogue_age_seconds": 5.0,
            "modelservice_refresh_failures": 6,
            "modelservice_certificate_expiry_timestamp_seconds": None,
            "modelservice_log_lines_dropped": 7,
            "modelservice_task_failures": {},
            "modelservice_task_failing": {},
        }

    shown.metrics.show(state)
    assert "modelservice_catalogue_age_seconds 5.0" in shown.get()
    broken = True

    assert not answers(shown)
    wait_until(lambda: "metrics request failed" in shown.lines.getvalue(), "the log says so")


def test_lines_for_people_are_plain_and_tell_no_secret() -> None:
    lines = io.StringIO()
    log = make_log(lines, "info", "console")

    def fail() -> None:
        secret = "in a variable"  # noqa: F841, S105
        raise ValueError("the reason")

    log.info("call", method="/a/B", request_id="\x1b[31m", subject=None)
    log.debug("too little")
    try:
        fail()
    except ValueError:
        log.exception("unexpected error")

    first, second, *traceback = lines.getvalue().splitlines()
    assert re.fullmatch(r"[0-9T:.-]+Z \[info +\] call +method='/a/B' request_id='\\x1b\[31m'", first)
    assert "unexpected error" in second
    assert "ValueError: the reason" == traceback[-1]
    assert "in a variable" not in lines.getvalue()


def test_a_budget_of_zero_has_no_end() -> None:
    budget = LineBudget(0, lambda: 0.0)

    assert {0} == {budget.take() for _ in range(1000)}


def test_an_address_can_be_had_once(shown: Shown) -> None:
    with pytest.raises(OSError, match="Address already in use"):
        MetricsEndpoint("127.0.0.1", shown.port, shown.metrics.registry, make_log(io.StringIO(), "info"))


def test_an_endpoint_can_listen_on_ipv6() -> None:
    (port,) = free_ports(1)
    endpoint = MetricsEndpoint("::1", port, Metrics("0").registry, make_log(io.StringIO(), "info"))
    try:
        connection = http.client.HTTPConnection("::1", port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            assert 200 == connection.getresponse().status
    finally:
        endpoint.close()
