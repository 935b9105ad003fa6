"""Envoy's limits towards the servers behind it: each is exceeded, with the rest as it is."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.hostile.limiting import changed
from tests.hostile.sending import answer
from tests.support.envoy import UNAVAILABLE
from tests.support.harness import Place, Response, statistic, wait_until
from tests.support.service import Keys, prepare

MODEL = "/v1/models/gpt-4o"
Change = Callable[[dict[str, Any], dict[str, Any]], None]


def behind(ports: list[int], change: Callable[[dict[str, Any]], None] = lambda _: None) -> Change:
    """Returns a change of configuration: other servers, whose health is not asked for."""

    def apply(configuration: dict[str, Any], _: dict[str, Any]) -> None:
        cluster = configuration["static_resources"]["clusters"][0]
        del cluster["health_checks"]
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = [
            {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
            for port in ports
        ]
        change(cluster)

    return apply


def counted(place: Place, name: str) -> int:
    return statistic(place, rf"cluster\.modelservice\.{name}")


@pytest.fixture
def closed() -> Iterator[list[int]]:
    """Two ports that refuse connections, and that nobody else gets."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        yield [each.getsockname()[1] for each in (one, other)]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that answers no attempt to connect: whoever waits there to be accepted fills it."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        stack.enter_context(socket.create_connection(listening.getsockname()))
        yield listening.getsockname()[1]


@pytest.fixture
def prepared(place: Place) -> tuple[Place, Keys]:
    return place, prepare(place)


def asked(place: Place, key: str, times: int) -> list[Response]:
    """Asks so many times, all at once."""
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: place.rest(MODEL, key), range(times)))


def test_a_server_that_refuses_connections_is_left_alone_and_nobody_notices(
    prepared: tuple[Place, Keys], closed: list[int]
) -> None:
    place, keys = prepared
    with changed(place, behind([place.grpc_port, closed[0]])):
        answers = [place.rest(MODEL, keys.reader) for _ in range(50)]
        wait_until(lambda: counted(place, r"outlier_detection\.ejections_enforced_total") > 0, "it is left alone")

    assert {200} == {answer.status for answer in answers}


def test_the_last_half_of_the_servers_is_never_left_alone(prepared: tuple[Place, Keys], closed: list[int]) -> None:
    place, keys = prepared
    with changed(place, behind(closed)):
        answers = [place.rest(MODEL, keys.reader) for _ in range(50)]
        wait_until(lambda: counted(place, r"outlier_detection\.ejections_overflow") > 0, "one too many would be")
        most = counted(place, r"outlier_detection\.ejections_active")

    assert most <= 1
    assert [UNAVAILABLE] * 50 == [answer.json for answer in answers]


def test_retries_have_a_budget(prepared: tuple[Place, Keys], closed: list[int]) -> None:
    def poor(cluster: dict[str, Any]) -> None:
        del cluster["outlier_detection"]
        budget = {"budget_percent": {"value": 0}, "min_retry_concurrency": 1}
        cluster["circuit_breakers"]["thresholds"][0]["retry_budget"] = budget

    place, keys = prepared
    with changed(place, behind([closed[0], place.grpc_port], poor)):
        statuses: Counter[int] = Counter()

        def is_spent() -> int:
            answers = asked(place, keys.reader, 40)
            statuses.update(answer.status for answer in answers)
            assert all(answer.json == UNAVAILABLE for answer in answers if answer.status == 503)
            return counted(place, "upstream_rq_retry_overflow")

        wait_until(is_spent, "a retry too many is refused")

    assert {200, 503} == set(statuses)


def test_who_waits_for_a_connection_are_few_and_not_for_long(prepared: tuple[Place, Keys], silent: int) -> None:
    def narrow(cluster: dict[str, Any]) -> None:
        cluster["circuit_breakers"]["thresholds"][0]["max_pending_requests"] = 3

    place, keys = prepared
    with changed(place, behind([silent], narrow)):
        answers = asked(place, keys.reader, 20)

        assert counted(place, "upstream_rq_pending_overflow") > 0
        # `connect_timeout` ends the others.
        assert counted(place, "upstream_cx_connect_timeout") > 0
    assert [(503, UNAVAILABLE)] * 20 == [(answer.status, answer.json) for answer in answers]


def test_a_stream_on_which_nothing_happens_is_ended(prepared: tuple[Place, Keys]) -> None:
    def hasty(_: dict[str, Any], manager: dict[str, Any]) -> None:
        # The other limits of time come first otherwise.
        manager["stream_idle_timeout"] = "1s"

    place, keys = prepared
    head = f"GET {MODEL} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {keys.reader}\r\ncontent-length: 10\r\n\r\nabc"
    with changed(place, hasty), socket.create_connection(("127.0.0.1", place.http_port)) as one:
        one.sendall(head.encode())
        said = answer(one)
        assert 1 == statistic(place, r"http\.edge\.downstream_rq_idle_timeout")

    assert b"HTTP/1.1 504" == said[:12]
    assert said.endswith(b'{"error":{"type":"api_error","message":"Deadline exceeded","code":"timeout"}}')
