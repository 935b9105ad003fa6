"""A server whose own question is wrong: it neither takes that for a database that is away, nor tries for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.faults.serving import serving
from tests.support.harness import DEADLINE, Place, Process, wait_until
from tests.support.metrics import value
from tests.support.service import prepare

CANNOT = "the database cannot be read"
FAILED = '"task failed"'


def alter(place: Place, statement: str) -> None:
    """Makes the schema another than its version says: so a question is wrong."""
    with closing(sqlite3.connect(place.folder / "test.db", isolation_level=None)) as connection:
        connection.execute(statement)


def failing(place: Place) -> Callable[[], bool]:
    return lambda: value(place, "modelservice_task_failing", task="refresher") == 1


def test_a_server_that_never_served_ends_with_one_line(place: Place) -> None:
    prepare(place)
    alter(place, "ALTER TABLE api_keys DROP COLUMN revoked")
    # It has nothing to drain.
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "300"
    with Process(place, "serve") as process:
        assert 1 == process.popen.wait(DEADLINE)

        lines = process.errors.splitlines()
        url = f"sqlite:///{place.folder}/test.db"
        assert f"modelservice: {url}: no such column: api_keys.revoked: this is a defect of modelservice" == lines[-1]
        assert [1, 0] == [process.errors.count(text) for text in (FAILED, CANNOT)]
        assert "Traceback" in next(line for line in lines if FAILED in line)


@pytest.mark.slow
def test_a_server_that_holds_a_catalogue_serves_it_and_tries_again(place: Place) -> None:
    with serving(place) as server:
        alter(place, "ALTER TABLE models RENAME COLUMN document TO said")
        alter(place, "UPDATE head SET revision = revision + 1")
        alter(place, "INSERT INTO revisions SELECT revision, 'another', 0 FROM head")
        wait_until(failing(place), "it fails")
        wait_until(lambda: value(place, "modelservice_task_failures_total", task="refresher") > 6, "it is tried again")

        assert 128_000 == server.context_window()
        assert 1 == value(place, "modelservice_ready")
        assert [1, 0] == [server.process.errors.count(text) for text in (FAILED, CANNOT)]

        alter(place, "ALTER TABLE models RENAME COLUMN said TO document")
        server.change(5)
        server.wait_for_change(5)
        assert 0 == value(place, "modelservice_task_failing", task="refresher")
