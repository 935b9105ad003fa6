"""The service on Postgres: the same answers, byte for byte, and no question to the database for any of them."""

from __future__ import annotations

import pytest

from tests.support.harness import Place, Process
from tests.support.load import Load
from tests.support.postgres import VERSIONS, Cluster
from tests.support.service import Service, prepare

REQUESTS = 10_000


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_are_the_same_on_every_database(
    service: Service, place: Place, version: str, request: pytest.FixtureRequest
) -> None:
    cluster: Cluster = request.getfixturevalue(f"postgres_{version}")
    place.database_url = cluster.database()
    keys = prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")

        for target in ("/v1/models", "/v1/models/gpt-4o", "/v1/models/nobody"):
            expected = service.place.rest(target, service.keys.reader)
            found = place.rest(target, keys.reader)
            assert (expected.status, expected.body) == (found.status, found.body)


@pytest.mark.slow
def test_requests_run_no_sql(place: Place, postgres_18: Cluster) -> None:
    place.database_url = postgres_18.database()
    # As seldom as it may be, so that what the refresher asks is little.
    place.settings["MODELSERVICE_REFRESH_INTERVAL"] = "0.5"
    key = prepare(place).reader
    name = place.database_url.rpartition("/")[2]

    def transactions() -> int:
        ((count,),) = postgres_18.run_sql(
            f"SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '{name}'"  # noqa: S608
        )
        return int(count)

    with Process(place, "serve") as process:
        process.wait_for('"SERVING"')
        before = transactions()
        with Load(place, lambda: (key, "key"), ("gRPC",), 4) as load:
            load.wait_for_more(REQUESTS, "key")
        after = transactions()

    assert [] == load.failures
    assert load.answered["key"] >= REQUESTS
    # Two questions a second, and what Postgres counts of its own.
    assert after - before < REQUESTS / 20
