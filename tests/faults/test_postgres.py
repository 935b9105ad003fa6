"""A Postgres that stops, comes back, is succeeded, hangs, or is late: callers see nothing of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from modelservice.errors import DatabaseUnavailableError
from tests.faults.proxy import Proxy
from tests.faults.serving import Serving, serving
from tests.support.harness import Place, Process, channel, wait_until
from tests.support.metrics import value
from tests.support.postgres import VERSIONS, Cluster
from tests.support.service import prepare

CANNOT = "the database cannot be read"
AGAIN = "the database can be read again"


@pytest.fixture(params=VERSIONS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A Postgres of the test's own, which it may treat as it likes."""
    with Cluster(request.param) as one:
        yield one


def test_one_that_stops_costs_freshness_and_not_answers(place: Place, cluster: Cluster) -> None:
    place.database_url = cluster.database()
    with serving(place) as server:
        cluster.stop(signal.SIGQUIT)
        server.process.wait_for(CANNOT)

        for _ in range(50):
            assert 128_000 == server.context_window()
        with pytest.raises(DatabaseUnavailableError, match="Connection refused"):
            server.change(5)
        with channel(place.grpc) as one:
            status = HealthStub(one).Check(health_pb2.HealthCheckRequest()).status
        assert health_pb2.HealthCheckResponse.SERVING == status

        cluster.start()
        server.change(5)
        server.wait_for_change(5)
        wait_until(lambda: [1, 1] == [server.process.errors.count(line) for line in (CANNOT, AGAIN)], "it is logged")


def test_one_that_is_down_at_the_start_is_waited_for(place: Place, cluster: Cluster) -> None:
    place.database_url = cluster.database()
    prepare(place)
    cluster.stop(signal.SIGQUIT)
    with Process(place, "serve") as process:
        process.wait_for(CANNOT)
        with channel(place.grpc) as one:
            status = HealthStub(one).Check(health_pb2.HealthCheckRequest()).status
        assert health_pb2.HealthCheckResponse.NOT_SERVING == status
        assert "Connection refused" in process.errors
        assert "a new one needs `modelservice migrate`" in process.errors

        cluster.start()

        process.wait_for('"SERVING"')


def test_one_with_an_older_schema_is_waited_for(place: Place, cluster: Cluster) -> None:
    place.database_url = cluster.empty("unmigrated")
    with Process(place, "serve") as process:
        process.wait_for("run `modelservice migrate`")

        place.command("migrate")

        process.wait_for('"SERVING"')


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["18"], indirect=True)
def test_one_that_hangs_is_given_up_and_asked_again(place: Place, cluster: Cluster) -> None:
    direct = cluster.database()
    with Proxy(cluster.port) as proxy:
        place.database_url = cluster.url(direct.rpartition("/")[2], proxy.port)
        with serving(place) as server:
            proxy.stalled.set()
            server.change(5, direct)
            for _ in range(20):
                assert 128_000 == server.context_window()
            # Its answer was lost: without the deadline it would be waited for without end.
            server.process.wait_for(CANNOT)

            proxy.stalled.clear()

            server.wait_for_change(5)


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["18"], indirect=True)
def test_one_that_hangs_for_longer_than_the_refresher_may_costs_no_readiness(place: Place, cluster: Cluster) -> None:
    direct = cluster.database()
    with Proxy(cluster.port) as proxy:
        place.database_url = cluster.url(direct.rpartition("/")[2], proxy.port)
        with serving(place) as server:
            proxy.stalled.set()
            # Each question ends within its own timeout, and so is progress.
            wait_until(lambda: value(place, "modelservice_catalogue_age_seconds") > 45, "it hangs", deadline=90)

            assert 1 == value(place, "modelservice_ready")
            assert '"NOT_SERVING"' not in server.process.errors
            assert 128_000 == server.context_window()


@pytest.mark.parametrize("cluster", ["18"], indirect=True)
def test_one_that_hangs_does_not_hold_up_the_end(place: Place, cluster: Cluster) -> None:
    direct = cluster.database()
    with Proxy(cluster.port) as proxy:
        place.database_url = cluster.url(direct.rpartition("/")[2], proxy.port)
        prepare(place)
        with Process(place, "serve") as process:
            process.wait_for('"SERVING"')
            proxy.stalled.set()
            wait_until(lambda: proxy.swallowed > 0, "a question is lost")

            assert 0 == process.end()

            assert '"stopped"' in process.errors
            # It would have been, had the end waited until the question was given up.
            assert CANNOT not in process.errors


@pytest.mark.slow
def test_a_standby_that_is_promoted_is_followed(place: Place, cluster: Cluster) -> None:
    name = cluster.database().rpartition("/")[2]
    with Cluster(cluster.version, copied_from=cluster) as standby:
        # As one gives it to libpq: both hosts, of which the one that can be written is asked.
        hosts = f"?host=127.0.0.1:{standby.port}&host=127.0.0.1:{cluster.port}"
        place.database_url = cluster.url(name).replace(f"127.0.0.1:{cluster.port}", "") + hosts
        with serving(place) as server:
            server.change(5)
            server.wait_for_change(5)
            wait_until(lambda: _position(standby) == _position(cluster), "the standby has all of it")
            cluster.stop(signal.SIGQUIT)
            server.process.wait_for(CANNOT)
            assert 5 == server.context_window()

            standby.promote()

            wait_until(lambda: _changed(server, 6), "the standby is written")
            server.wait_for_change(6)


def _position(one: Cluster) -> object:
    return one.run_sql(
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
    )


def _changed(server: Serving, value: int) -> bool:
    try:
        server.change(value)
    except DatabaseUnavailableError:
        return False
    return True


@pytest.mark.slow
def test_a_standby_that_lags_is_waited_for_and_not_believed(place: Place, cluster: Cluster) -> None:
    direct = cluster.database()
    name = direct.rpartition("/")[2]
    with Cluster(cluster.version, copied_from=cluster) as standby, Proxy(cluster.port) as proxy:
        # Whoever asks for it may read from any. First from the one that is written, by way of the proxy.
        hosts = f"?host=127.0.0.1:{proxy.port}&host=127.0.0.1:{standby.port}&target_session_attrs=any"
        writing, place.database_url = direct, cluster.url(name).replace(f"127.0.0.1:{cluster.port}", "") + hosts
        with serving(place) as server:
            standby.run_sql("SELECT pg_wal_replay_pause()")
            server.change(5, writing)
            server.wait_for_change(5)

            # From now on it reads from the standby, which does not know of the change.
            proxy.refuse()

            server.process.wait_for("the database is behind")
            assert 5 == server.context_window()
            standby.run_sql("SELECT pg_wal_replay_resume()")
            server.process.wait_for(AGAIN)
            server.change(6, writing)
            server.wait_for_change(6)
            assert 1 == server.process.errors.count('"catalogue loaded"')


@pytest.mark.slow
@pytest.mark.parametrize("further", [False, True], ids=["older", "further on"])
def test_a_restored_backup_is_loaded_whole(place: Place, cluster: Cluster, *, further: bool) -> None:
    place.database_url = cluster.database()
    name = place.database_url.rpartition("/")[2]
    key = prepare(place).reader
    backup = cluster.empty("backup", name)
    with serving(place, key) as server:
        server.change(5)
        server.wait_for_change(5)
        if further:
            # The numbers of what was lost, taken by other writes before the server asks again.
            for window in (6, 7, 8):
                server.change(window, backup)

        cluster.run_sql(f"DROP DATABASE {name} WITH (FORCE)")
        cluster.run_sql(f"ALTER DATABASE backup RENAME TO {name}")

        if further:
            server.wait_for_change(8)
        else:
            # Where the server has been before: it takes this for a standby that lags, for ten seconds.
            server.wait_for_change(128_000)
        wait_until(lambda: 2 == server.process.errors.count('"catalogue loaded"'), "it is loaded whole")
