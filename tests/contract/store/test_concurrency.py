"""Many who write, while others read: nothing is missed, and nothing is seen half done or out of order."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from modelservice.catalogue.render_cache import RenderedCache
from modelservice.catalogue.snapshot import Snapshot, advance
from modelservice.domain.principal import MODELS_READ
from modelservice.errors import DatabaseBehindError, DatabaseUnavailableError
from modelservice.manage.keys import create_key, revoke_key
from modelservice.manage.maintenance import migrate
from modelservice.manage.models import create_model
from modelservice.manage.organizations import create_organization, delete_organization, list_organizations
from modelservice.manage.system_catalogue import import_catalogue, load_documented
from modelservice.store.access import Access
from modelservice.store.changes import Revision, read_changes
from modelservice.store.database import Database
from modelservice.store.tables import audit, head, metadata, revisions
from modelservice.store.writing import write
from tests.support.harness import wait_until
from tests.support.models import entry

WRITERS = 3
WRITER = """
import random, sys
from modelservice.manage.keys import create_key
from modelservice.manage.organizations import create_organization
url, number = sys.argv[1:]
print("begin", flush=True)
for count in range(1000):
    create_organization(url, "test", f"killed-{number}-{count}")
    create_key(url, "test", f"killed-{number}-{count}", scopes=())
"""


class Follower:
    """Follows the database as a server does, as fast as it can, and makes sure that each step is a whole one."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, Access.READ)
        self._done, self._pause = threading.Event(), threading.Event()
        self.paused = threading.Event()
        self.snapshot: Snapshot | None = None
        self.numbers: list[int] = []
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._done.is_set():
            self._pause.wait(0.005)
            if not self.paused.is_set():
                self.step()

    def step(self) -> bool:
        held = self.snapshot
        found = read_changes(self._database, held.revision if held else None)
        if found:
            assert held is None or not found.complete
            self.snapshot = advance(held, found, RenderedCache())
            self.numbers.append(found.revision.number)
        return found is not None

    def finish(self) -> Snapshot:
        """Stops, takes what is still new, and returns what it holds."""
        self._done.set()
        self._thread.join()
        while self.step():
            pass
        assert self.snapshot
        return self.snapshot


def content(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "keys": dict(snapshot.keys),
        "clients": dict(snapshot.clients),
        "models": {name: entry.model for name, entry in snapshot.names.items()},
        "owned": {owner: list(models) for owner, models in snapshot.owned.items()},
        "records": dict(snapshot.records),
        "listing": snapshot.listing.alone,
    }


def whole(url: str) -> Snapshot:
    found = read_changes(Database(url, Access.READ), None)
    assert found
    return advance(None, found, RenderedCache())


def rows(url: str, table: Any, order: Any) -> list[Any]:
    with Database(url, Access.READ).transaction() as connection:
        return list(connection.execute(select(table).order_by(order)))


@pytest.mark.slow
def test_what_many_write_is_all_there_in_one_order(url: str) -> None:
    load_documented(url, "test")
    follower = Follower(url)

    def work(number: int) -> None:
        dice = random.Random(number)
        owned: list[str] = []
        for count in range(8):
            name = f"o-{number}-{count}"
            create_organization(url, "test", name)
            key = create_key(url, "test", name, scopes={MODELS_READ})
            create_model(url, "test", name, "gpt-4o", {"display_name": "x"}, prompt_quota=0)
            owned.append(name)
            if dice.random() < 0.3:
                revoke_key(url, "test", key.id)
            if dice.random() < 0.3:
                delete_organization(url, "test", owned.pop(), cascade=True)
            if dice.random() < 0.1:
                follower.paused.set()
            if dice.random() < 0.5:
                import_catalogue(url, f"{number}", [entry(f"m-{number}", context_window=count + 1)])
                follower.paused.clear()

    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(work, number) for number in range(WRITERS)]:
            done.result()
    held = follower.finish()

    assert content(whole(url)) == content(held)
    assert sorted(set(follower.numbers)) == follower.numbers
    numbers = [row.number for row in rows(url, revisions, revisions.c.number)]
    # One for each write, none left out, and each with its row of the audit.
    assert list(range(1, len(numbers) + 1)) == numbers
    assert numbers == [row.revision for row in rows(url, audit, audit.c.revision)]
    assert [numbers[-1]] == [row.revision for row in rows(url, head, head.c.id)]


@pytest.mark.slow
def test_writers_that_are_killed_leave_nothing_half_done(url: str) -> None:
    load_documented(url, "test")
    follower = Follower(url)
    dice = random.Random(7)
    for number in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, url, str(number)], stdout=subprocess.PIPE)
        assert writer.stdout
        with writer.stdout:
            assert b"begin\n" == writer.stdout.readline()
            # At some moment or other of its work.
            threading.Event().wait(dice.uniform(0.02, 0.3))
            writer.send_signal(signal.SIGKILL)
            writer.wait()
    # Whatever a killed one held is free again.
    wait_until(lambda: _written(url), "the next writer gets through")
    held = follower.finish()

    assert content(whole(url)) == content(held)
    numbers = [row.number for row in rows(url, revisions, revisions.c.number)]
    assert list(range(1, len(numbers) + 1)) == numbers
    assert numbers == [row.revision for row in rows(url, audit, audit.c.revision)]


def _written(url: str) -> bool:
    try:
        create_organization(url, "test", "last")
    except DatabaseUnavailableError:
        return False
    return True


def test_a_commit_between_two_questions_of_a_reader_is_seen_by_the_next_reader(url: str) -> None:
    import_catalogue(url, "test", [entry("base")])
    create_organization(url, "test", "acme")
    database, done = Database(url, Access.READ), threading.Event()

    def commit_once() -> None:
        if not done.is_set():
            done.set()
            # Two tables: one that this reader has read, and some that it has not.
            import_catalogue(url, "test", [entry("base", display_name="new"), entry("second")])
            create_model(url, "test", "acme", "second", {"display_name": "child"}, prompt_quota=0)
            create_key(url, "test", "acme", scopes=())

    before = read_changes(database, None, commit_once)
    assert before
    assert done.is_set()

    assert (["base"], (), ()) == (
        [model.display_name for model in before.models],
        before.organization_models,
        before.keys,
    )
    after = read_changes(database, before.revision)
    assert after
    assert ({"new", "second"}, 1, 1) == (
        {model.display_name for model in after.models},
        len(after.organization_models),
        len(after.keys),
    )


def test_a_long_write_stops_no_reader_and_is_seen_when_it_is_done(url: str) -> None:
    create_organization(url, "test", "first")
    database = Database(url, Access.READ)
    held = read_changes(database, None)
    assert held

    with write(Database(url, Access.WRITE), 5, "test") as change:
        change.record("test.long", "it", {})
        for _ in range(3):
            assert read_changes(database, held.revision) is None
    seen = read_changes(database, held.revision)

    assert seen
    assert held.revision.number + 1 == seen.revision.number


def test_a_write_waits_for_another_one_but_not_for_ever(url: str) -> None:
    with write(Database(url, Access.WRITE), 5, "test"), pytest.raises(DatabaseUnavailableError, match="lock"):
        create_organization(url, "test", "second")

    assert [] == list_organizations(url)


def test_a_database_that_is_behind_is_said_to_be(url: str) -> None:
    for name in ("one", "two", "three"):
        create_organization(url, "test", name)
    database = Database(url, Access.READ)
    first = read_changes(database, None)
    assert first
    numbers = {row.number: row.token for row in rows(url, revisions, revisions.c.number)}
    # What a server holds that read from another host, which is further on.
    ahead = Revision(5, "f" * 32, {**numbers, 4: "e" * 32})

    with pytest.raises(DatabaseBehindError):
        read_changes(database, ahead)
    # Another history, though its numbers are lower as well.
    other = read_changes(database, Revision(5, "f" * 32, dict.fromkeys(numbers, "0" * 32)))
    assert other
    assert other.complete


def test_a_reader_knows_its_past(url: str) -> None:
    database, held = Database(url, Access.READ), None
    for number in range(5):
        create_organization(url, "test", f"o-{number}")
        found = read_changes(database, held)
        assert found
        held = found.revision
    create_organization(url, "test", "unseen")
    create_organization(url, "test", "seen")
    found = read_changes(database, held)

    assert found
    tokens = {row.number: row.token for row in rows(url, revisions, revisions.c.number)}
    assert {0: "", **tokens} == {**found.revision.past, 7: found.revision.token}


def test_two_migrations_at_once_are_one(url: str) -> None:
    with Database(url, Access.CREATE).transaction() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.exec_driver_sql(f"DROP TABLE {table.name}")
        connection.exec_driver_sql("DROP TABLE modelservice_schema")
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(migrate, url) for _ in range(4)]:
            done.result()

    create_organization(url, "test", "acme")
    assert [(1, 1)] == [(row.id, row.revision) for row in rows(url, head, head.c.id)]
