"""A database that cannot be read costs freshness, and answers only where a bound is set."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from tests.support.calls import LIST, bearer, call
from tests.support.harness import Place, Process, channel, unary, wait_until
from tests.support.metrics import value
from tests.support.service import prepare

NOT_READ, READ_AGAIN = "the database cannot be read", "the database can be read again"
TOO_OLD, FRESH = "the catalogue is too old to serve", "the catalogue is fresh again"


@contextlib.contextmanager
def database_away(place: Place) -> Iterator[None]:
    file, elsewhere = place.folder / "test.db", place.folder / "elsewhere.db"
    file.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(file)


def said(process: Process, *texts: str) -> list[int]:
    """Returns how often the log says each."""
    lines = [json.loads(line)["message"] for line in process.errors.splitlines(keepends=True) if line.endswith("\n")]
    return [lines.count(text) for text in texts]


def test_without_a_bound_answers_go_on_and_their_age_is_shown(place: Place) -> None:
    keys = prepare(place)
    with Process(place, "serve") as process, channel(place.grpc) as one:
        process.wait_for('"SERVING"')
        ask = unary(one, LIST)
        answer = ask(b"", metadata=bearer(keys.reader))

        with database_away(place):
            wait_until(lambda: value(place, "modelservice_refresh_failures_total") > 8, "failures are counted")
            wait_until(lambda: value(place, "modelservice_catalogue_age_seconds") > 3, "the age grows")
            assert answer == ask(b"", metadata=bearer(keys.reader))
            assert 1 == value(place, "modelservice_ready")
            assert 0 < value(place, "modelservice_catalogue_revision")

        wait_until(lambda: value(place, "modelservice_catalogue_age_seconds") < 1, "the database can be read again")
        wait_until(lambda: [1, 1, 0, 0] == said(process, NOT_READ, READ_AGAIN, TOO_OLD, FRESH), "it is logged")


def test_past_the_bound_a_server_is_not_ready_until_it_reads_again(place: Place) -> None:
    keys = prepare(place)
    place.settings["MODELSERVICE_MAX_STALENESS"] = "3"
    with Process(place, "run") as process, channel(place.grpc) as one:
        process.wait_for("ready: ")
        watch = HealthStub(one).Watch(health_pb2.HealthCheckRequest(), timeout=100)
        assert health_pb2.HealthCheckResponse.SERVING == next(watch).status

        with database_away(place):
            assert health_pb2.HealthCheckResponse.NOT_SERVING == next(watch).status
            wait_until(lambda: said(process, TOO_OLD) == [1], "the log says so")
            check = HealthStub(one).Check(health_pb2.HealthCheckRequest())
            assert health_pb2.HealthCheckResponse.NOT_SERVING == check.status
            error = call(place.grpc, LIST, b"", bearer(keys.reader))
            assert (grpc.StatusCode.UNAVAILABLE, "Service unavailable") == (error.code(), error.details())
            wait_until(lambda: not place.ready(), "Envoy turns away")
            answer = place.rest("/v1/models", keys.reader)
            assert (503, "unavailable") == (answer.status, answer.json["error"]["code"])
            assert 0 == value(place, "modelservice_ready")
            assert 10 == value(place, "modelservice_catalogue_models", kind="system")

        assert health_pb2.HealthCheckResponse.SERVING == next(watch).status
        wait_until(lambda: place.rest("/v1/models", keys.reader).status == 200, "answers are given again")
        assert 1 == value(place, "modelservice_ready")
        wait_until(lambda: [1, 1, 1, 1] == said(process, NOT_READ, READ_AGAIN, TOO_OLD, FRESH), "it is logged")
        assert 0 == process.end()


def test_a_server_that_drains_stays_not_serving_when_the_database_is_back(place: Place) -> None:
    prepare(place)
    place.settings |= {"MODELSERVICE_MAX_STALENESS": "3", "MODELSERVICE_DRAIN_SECONDS": "300"}
    with Process(place, "serve") as process:
        process.wait_for('"SERVING"')
        with database_away(place):
            process.wait_for(TOO_OLD)
            process.popen.terminate()
            process.wait_for('"draining"')
        process.wait_for(FRESH)

        assert 0 == value(place, "modelservice_ready")
        assert 0 == process.end()
