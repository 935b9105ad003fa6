"""The micro-cache by itself: in a real Envoy, before answers that say whether it was asked."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import memory, wait_until
from tests.support.scripted_edge import (
    ANSWERS_MAX,
    ETAG,
    FAILED,
    GZIP,
    LARGE,
    LONG,
    PLAIN,
    UNMARKED,
    Edge,
    scripted_edge,
)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, subprocess.Popen[bytes]]]:
    with scripted_edge(tmp_path_factory.mktemp("micro_cache")) as both:
        yield both


@pytest.fixture
def edge(process: tuple[Edge, subprocess.Popen[bytes]]) -> Edge:
    return process[0]


def test_a_repeated_request_is_answered_and_soon_asked_again(edge: Edge) -> None:
    path = "/v1/models/repeated"
    assert edge.asks(path)
    assert edge.keeps(path)
    wait_until(lambda: edge.asks(path), "it is asked again")


def test_an_answer_is_the_one_that_was_kept(edge: Edge) -> None:
    path = "/v1/models/same"
    first = edge.get(path)
    assert edge.keeps(path)
    again = edge.get(path)

    assert (first.status, first.body) == (again.status, again.body)
    assert {"content-type", "etag", "cache-control", "vary"} <= again.headers.keys()
    kept = {name: value for name, value in again.headers.items() if name != "date"}
    assert kept.items() <= first.headers.items()
    assert "content-encoding" not in first.headers | again.headers


def test_a_compressed_answer_is_said_to_be_one(edge: Edge) -> None:
    first = edge.get(GZIP)
    assert edge.keeps(GZIP)
    for answer in (first, edge.get(GZIP)):
        assert ("application/json", "gzip") == (answer.headers["content-type"], answer.headers["content-encoding"])


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/models/other", {"authorization": "Bearer key-2"}),
        ("/v1/models/other", {"authorization": "Bearer key-12"}),
        ("/v1/models/other", {"authorization": "bearer key-1"}),
        ("/v1/models/other", {"authorization": None}),
        ("/v1/models/other", {"accept_encoding": "gzip"}),
        ("/v1/models/other?", {}),
        ("/v1/models/other?user=1", {}),
        ("/v1/models/Other", {}),
        ("/v1/models/other2", {}),
        ("/v1/models/other", {"cache_control": "no-cache"}),
        ("/v1/models/other", {"cache_control": "max-age=0"}),
        ("/v1/models/other", {"x_modelservice_organization": "acme"}),
        ("/v1/models/other", {"method": "POST"}),
        ("/v1/models/other", {"content_type": "application/grpc"}),
        ("/v1/models/other", {"body": b"{}"}),
    ],
)
def test_nothing_but_the_same_request_is_answered(edge: Edge, path: str, headers: dict[str, Any]) -> None:
    assert edge.keeps("/v1/models/other")

    assert edge.asks(path, **headers)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (FAILED, {}),
        (UNMARKED, {}),
        (LARGE, {}),
        (PLAIN, {"authorization": None}),
        (PLAIN, {"content_type": "application/grpc"}),
        (PLAIN, {"cache_control": "no-cache"}),
        (PLAIN, {"x_modelservice_organization": "acme"}),
        (PLAIN, {"method": "POST"}),
        (PLAIN, {"body": b"{}"}),
    ],
)
def test_what_is_not_to_be_kept_is_not(edge: Edge, path: str, headers: dict[str, Any]) -> None:
    assert [True] * 5 == [edge.asks(path, **headers) for _ in range(5)]


@pytest.mark.parametrize("path", ["/v1/models/conditional", LARGE], ids=["kept", "not kept"])
@pytest.mark.parametrize(
    ("if_none_match", "status"),
    [
        (ETAG, 304),
        ('"abc"', 304),
        ('"x", W/"abc"', 304),
        ('W/"abc","y"', 304),
        ("*", 304),
        (" * ", 304),
        ('"x"', 200),
        ("abc", 200),
        ('W/"abcd"', 200),
        ('"ab', 200),
        ("", 200),
    ],
)
def test_if_none_match_is_answered(edge: Edge, path: str, if_none_match: str, status: int) -> None:
    # The first is answered by the cache or not; further ones by the cache, where there is something to keep.
    for _ in range(3):
        answer = edge.get(path, if_none_match=if_none_match)
        assert status == answer.status
        assert ETAG == answer.headers["etag"]
        assert "private" == answer.headers["cache-control"]
        if status == 304:
            assert b"" == answer.body
            assert not {"content-type", "content-length"} & answer.headers.keys()


def test_an_error_stays_an_error_for_a_conditional_request(edge: Edge) -> None:
    assert 503 == edge.get(FAILED, if_none_match="*").status


def test_a_conditional_request_is_the_same_request(edge: Edge) -> None:
    path = "/v1/models/validated"
    assert 304 == edge.get(path, if_none_match="*").status

    assert any("x-asked" not in edge.get(path).headers for _ in range(20))


def test_head_is_answered_from_what_get_had(edge: Edge) -> None:
    path = "/v1/models/head"
    assert edge.keeps(path)
    answer = edge.get(path, method="HEAD")

    assert ("x-asked" not in answer.headers, b"", "8") == (True, answer.body, answer.headers["content-length"])


def test_one_credential_gets_no_more_than_its_rate(tmp_path: Path) -> None:
    rate, seconds = 50, set()
    spellings = ["Bearer a.b.key", "bearer  a.b.key", "Bearer c.d.key", "a.key", "key"]

    with scripted_edge(tmp_path, rate) as (edge, _):

        def answered(spelling: str) -> bool:
            seconds.add(int(time.time()))
            found = not edge.asks(authorization=spelling)
            seconds.add(int(time.time()))
            return found

        of_one = sum(answered(spelling) for _ in range(100) for spelling in spellings)

        # Another credential is not affected.
        assert edge.keeps(authorization="Bearer a.b.other")
    assert rate <= of_one <= rate * len(seconds)


def test_what_does_not_fit_drives_out_the_oldest(edge: Edge) -> None:
    # Three of these fit.
    paths = [f"{LONG}/{number}" for number in range(4)]

    def newest_are_kept() -> bool:
        for path in paths:
            edge.get(path)
        return [False, False, False, True] == [edge.asks(path) for path in reversed(paths)]

    # On a machine that stands still for a second, none is.
    wait_until(newest_are_kept, "the last three are kept, and the first is not")


def test_there_are_never_more_answers_than_the_limit(edge: Edge) -> None:
    paths = [f"/v1/models/counted/{number}" for number in range(ANSWERS_MAX + 1)]

    def newest_are_kept() -> bool:
        edge.send(paths)
        return [False, True] == [edge.asks(paths[-1]), edge.asks(paths[0])]

    wait_until(newest_are_kept, "the last is kept, and the first is not")


@pytest.mark.slow
def test_memory_stays_flat_under_a_hundred_thousand_paths(
    process: tuple[Edge, subprocess.Popen[bytes]],
) -> None:
    edge, envoy = process
    edge.send([f"{PLAIN}?user={number}" for number in range(5_000)])
    before = memory(envoy.pid)
    edge.send([f"{PLAIN}?user={number}" for number in range(5_000, 105_000)])

    # All of them kept would be 130 MB.
    assert memory(envoy.pid) - before < 30


@pytest.mark.slow
def test_memory_stays_flat_under_a_hundred_thousand_credentials(
    process: tuple[Edge, subprocess.Popen[bytes]],
) -> None:
    edge, envoy = process
    edge.send([PLAIN] * 5_000, (f"{number:0128}" for number in range(5_000)))
    before = memory(envoy.pid)
    edge.send([PLAIN] * 100_000, (f"{number:0128}" for number in range(5_000, 105_000)))

    # The counts of all of them would be some 40 MB.
    assert memory(envoy.pid) - before < 20
