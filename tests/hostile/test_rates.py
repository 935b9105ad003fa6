"""How much one caller may ask of Envoy, and what one who asks for more can do to others."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_address
from itertools import count, islice, repeat
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from modelservice.edge.processes import find_envoy
from tests.hostile.flood import FLOODER, Connection, flood, good_callers, made_up_keys
from tests.support.calls import LIST, bearer, details
from tests.support.harness import DEADLINE, ENVOY, Place, Process, channel, memory, unary, wait_until
from tests.support.http2_client import answers_to_unfinished
from tests.support.metrics import requests as answered
from tests.support.ports import listens
from tests.support.service import Keys, prepare

GET = "/v1/models/gpt-4o"
# Envoy answers it by itself. It is counted like any other, and costs no server's time.
NOWHERE = "/nowhere"
HERE = "127.0.0.1"
BODY = {"error": {"type": "rate_limit_error", "message": "Too many requests", "code": "rate_limited"}}


@contextmanager
def running(place: Place, **settings: str) -> Iterator[tuple[Process, Keys]]:
    """Runs the service with these settings."""
    place.settings |= {f"MODELSERVICE_{name.upper()}": value for name, value in settings.items()}
    keys = prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield process, keys


@contextmanager
def bare_envoy(place: Place, **settings: str) -> Iterator[int]:
    """Runs Envoy alone, with these settings and nobody behind it. Yields its id. What it logs is thrown away."""
    place.settings |= {f"MODELSERVICE_{name.upper()}": value for name, value in settings.items()}
    configuration = place.command("envoy-config", "--out", str(place.folder / "edge")).stdout.strip()
    command = [find_envoy(ENVOY), "-c", configuration, "--disable-hot-restart", "--log-level", "error"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: listens(place.http_port), "Envoy listens")
            yield process.pid
        finally:
            process.terminate()


def is_refused(place: Place, key: str | None, source: str = HERE, headers: dict[str, str] | None = None) -> bool:
    return place.rest(GET, key, source=source, headers=headers).status == 429


def exhaust(place: Place, key: str | None, source: str = HERE, headers: dict[str, str] | None = None) -> None:
    """Asks until it is refused."""
    wait_until(lambda: is_refused(place, key, source, headers), "a limit is reached")


def refused_call(place: Place, method: str, key: str) -> Any:
    """Calls until it is refused, and returns the error."""
    with channel(place.http) as one:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                unary(one, method)(b"", metadata=bearer(key), timeout=DEADLINE)
            except grpc.RpcError as error:
                return error
    raise AssertionError("a limit is reached")


def test_a_credential_beyond_its_limit_is_told_so_and_no_other_is(place: Place) -> None:
    with running(place, rate_per_credential="1") as (_, keys):
        exhaust(place, keys.reader)
        answers = [place.rest(GET, keys.reader) for _ in range(10)]
        # From elsewhere it is the same credential, and however it is written.
        exhaust(place, keys.reader, FLOODER)
        for authorization in (f"bearer {keys.reader}", f"BEARER    {keys.reader}", f"Bearer {keys.reader}  "):
            exhaust(place, None, headers={"authorization": authorization})
        another = place.rest(GET, keys.without_scope)
        wait_until(lambda: place.rest(GET, keys.reader).status == 200, "who waits is answered")

    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    for answer in refused:
        assert (BODY, "application/json") == (answer.json, answer.headers["content-type"])
        assert "1" == answer.headers["retry-after"]
        assert "x-request-id" in answer.headers
        assert not [name for name in answer.headers if name.startswith(("grpc-", "x-envoy-", "x-ratelimit-"))]
    assert 403 == another.status


def test_grpc_says_resource_exhausted(place: Place) -> None:
    with running(place, rate_per_credential="1") as (_, keys):
        error = refused_call(place, LIST, keys.reader)

    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many requests") == (error.code(), error.details())
    status, info = details(error)
    assert (8, "Too many requests") == (status.code, status.message)
    assert ("RATE_LIMITED", "modelservice") == (info.reason, info.domain)
    assert not [name for name, _ in error.trailing_metadata() if name.startswith("x-envoy-")]


def test_one_spelling_of_a_tokens_head_is_not_another_token(place: Place) -> None:
    # Of a JWT the signature counts: whatever stands before it, it is one credential.
    with running(place, rate_per_credential="1"):
        exhaust(place, "eyJh.eyJz.signature")
        exhaust(place, "eyJo.eyJ0.signature")
        assert not is_refused(place, "eyJh.eyJz.another")


def test_made_up_credentials_share_their_address(place: Place) -> None:
    rate = 20
    with running(place, rate_per_address=str(rate), rate_per_credential="1000"):
        begun = time.monotonic()
        statuses = flood(place.http_port, made_up_keys(), requests=2000)
        seconds = time.monotonic() - begun
        others = [place.rest(GET, key).status for key in islice(made_up_keys(), rate)]

    assert {401, 429} == statuses.keys()
    # What a bucket holds, and what runs into it meanwhile.
    assert statuses[401] <= rate * (2 + seconds) + 1
    assert {401} == set(others)


def test_a_request_without_a_credential_is_counted_for_its_address(place: Place) -> None:
    with running(place, rate_per_address="1"):
        exhaust(place, None, FLOODER)
        assert 401 == place.rest(GET).status


def test_zero_is_without_end(place: Place) -> None:
    with running(place, rate_per_address="0", rate_per_credential="0", edge_cache_ttl="1") as (_, keys):
        assert {200: 5000} == flood(place.http_port, repeat(keys.reader), requests=5000)


def test_an_answer_from_the_cache_counts_too(place: Place) -> None:
    with running(place, rate_per_credential="100", edge_cache_ttl="1") as (_, keys):
        before = answered(place, "/modelservice.rest.v1.RestService/GetModel", "ok")
        statuses = flood(place.http_port, repeat(keys.reader), requests=5000)
        asked = answered(place, "/modelservice.rest.v1.RestService/GetModel", "ok") - before

    assert {200, 429} == statuses.keys()
    assert asked < statuses[200]


def test_the_cache_answers_without_the_limits_up_to_the_credentials_rate(place: Place) -> None:
    rate = 20
    with running(place, rate_per_credential=str(rate), rate_per_address="1", edge_cache_ttl="1") as (process, keys):
        threads = len([line for line in process.thread_names("envoy") if line.startswith("wrk:")])
        begun = time.monotonic()
        statuses = flood(place.http_port, repeat(keys.reader), requests=3000)
        seconds = time.monotonic() - begun

    # The address may send two at first and one a second: the others are the cache's.
    assert rate <= statuses[200] <= rate * threads * (1 + seconds) + 3 + seconds
    assert {200, 429} == statuses.keys()


def test_requests_that_never_end_count_although_the_cache_has_their_answer(place: Place) -> None:
    with running(place, rate_per_credential="5", edge_cache_ttl="1") as (_, keys):
        assert 200 == place.rest(GET, keys.reader).status
        headers = {"authorization": f"Bearer {keys.reader}"}
        # Both of Envoy's limits, with their bursts, wait for the others.
        statuses = answers_to_unfinished(place.http_port, GET, count=60, enough=35, headers=headers)

    assert {429} == set(statuses)


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_the_root_is_limited_but_for_haproxys_check(place: Place, method: str) -> None:
    with running(place, rate_per_address="5"):
        # HAProxy's check ends, and one with an origin is none.
        statuses = answers_to_unfinished(
            place.http_port, "/", count=60, enough=40, method=method, headers={"origin": "https://a.example"}
        )

    assert {429} == set(statuses)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_no_request_waits_where_nothing_is_limited(place: Place, path: str) -> None:
    with running(place):
        statuses = answers_to_unfinished(place.http_port, path, count=60, enough=60, method="POST")

    assert {405} == set(statuses)


def test_whom_a_trusted_proxy_names_is_who_counts(place: Place) -> None:
    with running(place, rate_per_address="1", trusted_proxies="1"):
        for named, other in (
            ("10.0.0.1", "10.0.0.2"),
            ("2001:db8::1", "2001:db8:0:1::1"),
        ):
            exhaust(place, None, headers={"x-forwarded-for": named})
            assert not is_refused(place, None, headers={"x-forwarded-for": other})
        # What the client itself wrote stands before what the proxy appended.
        exhaust(place, None, headers={"x-forwarded-for": "10.9.9.9, 10.0.0.3"})
        exhaust(place, None, headers={"x-forwarded-for": "10.8.8.8, 10.0.0.3"})
        # One IPv6 network of 64 bits is one caller.
        wait_until(
            lambda: all(is_refused(place, None, headers={"x-forwarded-for": f"2001:db8::{i}"}) for i in range(2, 6)),
            "neighbours share a limit",
        )


def test_an_ipv4_address_counts_as_one_however_a_proxy_writes_it(place: Place) -> None:
    with running(place, rate_per_address="1", trusted_proxies="1"):
        exhaust(place, None, headers={"x-forwarded-for": "10.0.0.1"})
        exhaust(place, None, headers={"x-forwarded-for": "::ffff:10.0.0.2"})
        written = ("10.0.0.1", "::ffff:10.0.0.1", "::FFFF:0a00:0001")
        wait_until(
            lambda: all(is_refused(place, None, headers={"x-forwarded-for": one}) for one in written),
            "all that mean one address are refused",
        )
        # And no other address does.
        assert not is_refused(place, None, headers={"x-forwarded-for": "::ffff:10.0.0.3"})


def test_without_trusted_proxies_nobody_names_another(place: Place) -> None:
    with running(place, rate_per_address="1"):
        numbers = count()
        wait_until(
            lambda: is_refused(place, None, headers={"x-forwarded-for": f"10.0.0.{next(numbers) % 250}"}),
            "the limit of who connects is reached",
        )


def test_health_is_not_limited_by_what_is_asked(place: Place) -> None:
    with running(place, rate_per_address="1", rate_per_credential="1") as (_, keys):
        exhaust(place, keys.reader)
        for path in ("/healthz", "/readyz", "/readyz?probe=1"):
            assert {200} == {place.rest(path, keys.reader).status for _ in range(20)}
        with channel(place.http) as one:
            check = HealthStub(one).Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)
        assert health_pb2.HealthCheckResponse.SERVING == check.status
        # A flood of checks has an end, too: they reach the server.
        error = refused_call(place, "/grpc.health.v1.Health/Check", keys.reader)
        assert "RATE_LIMITED" == details(error)[1].reason


@pytest.mark.slow
def test_made_up_credentials_do_not_free_one_that_is_throttled(place: Place) -> None:
    with bare_envoy(place, rate_per_credential="1"):
        victim, others = Connection(place.http_port, HERE), made_up_keys()
        begun, statuses = time.monotonic(), Counter[int]()
        # So many in all that none of the first is remembered at the end.
        for _ in range(200):
            victim.send(NOWHERE, "throttled")
            statuses[victim.status()] += 1
            flood(place.http_port, others, requests=120, target=NOWHERE)
        seconds = time.monotonic() - begun
        victim.close()

    assert statuses[404] <= 2 + seconds + 1
    assert statuses[429] > 100


@pytest.mark.slow
def test_long_made_up_credentials_take_no_more_memory_than_short_ones(place: Place) -> None:
    long = (f"{number:09}{'x' * 7000}" for number in count())
    with bare_envoy(place, rate_per_credential="1") as envoy:
        flood(place.http_port, islice(long, 200), requests=200, target=NOWHERE)
        before = memory(envoy)
        assert {404: 5000} == flood(place.http_port, long, requests=5000, target=NOWHERE)
        # Whole, they would be twice 35 MB.
        assert memory(envoy) - before < 25


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "more"),
    [(25_000, 20_000), pytest.param(100_000, 900_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])],
    ids=["quick", "a million"],
)
@pytest.mark.parametrize("setting", ["rate_per_credential", "rate_per_address"])
def test_memory_has_an_end_however_many_ask(
    place: Place, setting: str, first: int, more: int, tell: Callable[[str], None]
) -> None:
    keys, addresses = made_up_keys(), (str(ip_address(number)) for number in count(0x0A000000))
    by_address = setting == "rate_per_address"
    with bare_envoy(place, trusted_proxies="1", **{setting: "1"}) as envoy:
        held = []
        for requests in (first, more):
            statuses = flood(
                place.http_port,
                repeat("one") if by_address else keys,
                requests=requests,
                target=NOWHERE,
                named=addresses if by_address else None,
            )
            held.append(memory(envoy))
            assert {404: requests} == statuses
    tell(f"{held[0]:.0f} MB after {first}, {held[1]:.0f} after {first + more}")
    # Each that were kept would take some 600 bytes: 12 MB in the short form.
    assert held[1] - held[0] < 8


@pytest.mark.slow
def test_good_callers_do_not_fail_beside_a_flood(place: Place) -> None:
    with running(place, rate_per_address="500") as (_, keys), ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        flooding = pool.submit(flood, place.http_port, made_up_keys(), requests=4000)
        fared = good_callers(place.http_port, [keys.reader, keys.reader], 2)
        statuses = flooding.result()
        seconds = time.monotonic() - begun

    assert 0 == fared.failed
    assert statuses[401] <= 500 * (2 + seconds) + 1
