"""A refresher that makes no progress suspends the server; one that only fails, or takes long, does not."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from modelservice import background
from modelservice.catalogue import freshness
from modelservice.catalogue.freshness import FreshAnswers
from modelservice.catalogue.refresher import Catalogue
from modelservice.errors import DatabaseUnavailableError
from modelservice.manage.system_catalogue import load_documented
from modelservice.store.access import Access
from modelservice.store.changes import Changes, Revision, read_changes
from modelservice.store.database import Database
from modelservice.telemetry import make_log
from tests.support.harness import wait_until

STALL = "the refresher makes no progress"
OVER = "the refresher makes progress again"
# In seconds.
STALL_MAX = 1.0


class Slow:
    """A database that hangs, fails, or takes long, as a test says."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, Access.READ)
        self.answering = threading.Event()
        self.answering.set()
        self.error: Exception | None = None
        self.busy = False
        self.pieces = 0

    def __call__(self, held: Revision | None, pause: Callable[[], None]) -> Changes | None:
        while self.busy:
            # A row is read, and the next takes a while.
            pause()
            self.pieces += 1
            threading.Event().wait(0.05)
        self.answering.wait()
        if self.error:
            raise self.error
        return read_changes(self._database, held, pause)


class Watched:
    """A catalogue that is watched, and what was said of it."""

    def __init__(self, url: str, max_age: float) -> None:
        self.database, self.lines, self.said = Slow(url), io.StringIO(), list[str]()
        log = make_log(self.lines, "info")
        self.catalogue = Catalogue(self.database, 0.01, log)
        self.fresh = FreshAnswers(self.catalogue, max_age, log, stall_max=STALL_MAX)
        self.fresh.start(lambda: self.said.append("suspend"), lambda: self.said.append("resume"))
        self.catalogue.start(lambda: None)
        wait_until(lambda: self.fresh.snapshot, "it is loaded")

    def close(self) -> None:
        self.database.busy = False
        self.database.answering.set()
        self.catalogue.close()
        self.fresh.close()

    def counts(self) -> list[int]:
        return [self.lines.getvalue().count(text) for text in (STALL, OVER)]


@pytest.fixture
def watched(url: str, request: pytest.FixtureRequest) -> Iterator[Watched]:
    load_documented(url, "test")
    one = Watched(url, getattr(request, "param", 0))
    yield one
    one.close()


def test_one_that_hangs_suspends_the_server_and_answers_go_on(watched: Watched) -> None:
    watched.database.answering.clear()
    wait_until(lambda: watched.said == ["suspend"], "it is suspended")
    # Balancers turn away; whoever calls all the same is answered.
    assert watched.fresh.snapshot
    wait_until(lambda: watched.counts() == [1, 0], "it is said")

    watched.database.answering.set()

    wait_until(lambda: watched.said == ["suspend", "resume"], "it is resumed")
    wait_until(lambda: watched.counts() == [1, 1], "its end is said")


def test_a_first_load_that_hangs_is_said(url: str) -> None:
    lines, database = io.StringIO(), Slow(url)
    database.answering.clear()
    log = make_log(lines, "info")
    catalogue = Catalogue(database, 0.01, log)
    fresh = FreshAnswers(catalogue, 0, log, stall_max=0.2)
    fresh.start(lambda: None, lambda: None)
    catalogue.start(lambda: None)

    wait_until(lambda: STALL in lines.getvalue(), "it is said")
    database.answering.set()
    fresh.close()
    catalogue.close()


def test_a_database_that_fails_in_time_does_not(watched: Watched) -> None:
    watched.database.error = DatabaseUnavailableError("gone")
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 2 * STALL_MAX and watched.catalogue.failures > 10, "it fails")

    assert [] == watched.said


def test_nor_does_the_longest_pause_between_two_attempts() -> None:
    assert background._BACKOFF_MAX * (1 + background._JITTER) < freshness._STALL_MAX


def test_a_long_read_that_goes_on_does_not(watched: Watched) -> None:
    watched.database.busy = True
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 2 * STALL_MAX and watched.database.pieces > 10, "it takes long")

    assert [] == watched.said


@pytest.mark.parametrize("watched", [2.5], indirect=True)
def test_one_that_hangs_for_longer_than_answers_may_age_gives_none(watched: Watched) -> None:
    watched.database.answering.clear()
    wait_until(lambda: watched.said == ["suspend"], "it is suspended")
    wait_until(lambda: watched.fresh.snapshot is None, "what is held is too old")

    watched.database.answering.set()

    wait_until(lambda: watched.fresh.snapshot, "it is fresh again")
    wait_until(lambda: watched.said == ["suspend", "resume"], "it is suspended once, and resumed once")
