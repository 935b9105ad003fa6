"""A refresher that is kept from its work, and one whose database lost what it had."""

from __future__ import annotations

import io
import signal
import time

import pytest

from modelservice.catalogue import refresher
from modelservice.catalogue.refresher import Catalogue
from modelservice.catalogue.snapshot import Snapshot
from modelservice.domain.principal import MODELS_READ
from modelservice.errors import DatabaseBehindError
from modelservice.manage.keys import create_key, revoke_key
from modelservice.store.changes import Changes, Revision
from modelservice.telemetry import make_log
from tests.faults.serving import serving
from tests.support.harness import Place, suspend, wait_until
from tests.support.postgres import Cluster
from tests.support.service import prepare


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_server_that_stood_still_for_a_minute_misses_nothing(
    place: Place, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "postgres":
        cluster: Cluster = request.getfixturevalue("postgres_18")
        place.database_url = cluster.database()
    key = prepare(place).reader
    with serving(place, key) as server:
        suspend(server.process.popen.pid)
        ends, keys = time.monotonic() + 60, []
        while time.monotonic() < ends:
            keys.append(create_key(place.database_url, "test", "acme", scopes={MODELS_READ}))
            revoke_key(place.database_url, "test", keys[-1].id)
        last = create_key(place.database_url, "test", "acme", scopes={MODELS_READ})
        server.change(5)
        server.process.popen.send_signal(signal.SIGCONT)

        wait_until(lambda: server.answers() and server.context_window() == 5, "it is up to date")
        assert server.admits(last.text)
        assert not [one.id for one in keys if server.admits(one.text)]


class Behind:
    """A database that is where it has been before, and stays there; but what it has can be read."""

    def __init__(self) -> None:
        self.found: list[Revision | None] = []
        self.behind = False

    def __call__(self, held: Revision | None, _: object) -> Changes | None:
        self.found.append(held)
        if held is None:
            number = 1 if self.behind else 3
            return Changes(
                revision=Revision(number, "t"),
                complete=True,
                models=(),
                organization_models=(),
                keys=(),
                clients=(),
                deleted_models=frozenset(),
                deleted_keys=frozenset(),
                deleted_clients=frozenset(),
            )
        if self.behind and held.number == 3:
            raise DatabaseBehindError("at 1, after 3")
        return None


def test_one_that_stays_behind_has_lost_the_last_writes_and_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "_CATCH_UP", 0.3)
    log, database = io.StringIO(), Behind()
    catalogue = Catalogue(database, 0.01, make_log(log, "info"))
    catalogue.start(lambda: None)

    def number() -> int:
        held: Snapshot | None = catalogue.snapshot
        return held.revision.number if held else 0

    wait_until(lambda: number() == 3, "it is loaded")
    database.behind = True
    wait_until(lambda: "the database is behind" in log.getvalue(), "it is said")
    assert 3 == number()
    wait_until(lambda: number() == 1, "it is believed")
    catalogue.close()

    assert 1 == log.getvalue().count("the database is behind")
