"""The catalogue in memory: what requests are answered from, and how it stays fresh."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import Engine, event

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.auth.authorize import Viewer
from modelservice.catalogue.freshness import FreshAnswers
from modelservice.catalogue.listing import Listing
from modelservice.catalogue.refresher import Catalogue
from modelservice.catalogue.render_cache import RenderedCache
from modelservice.catalogue.rendering import render_entry
from modelservice.catalogue.snapshot import Snapshot, advance
from modelservice.errors import MODEL_NOT_FOUND, DatabaseUnavailableError, Refusal
from modelservice.manage.maintenance import migrate
from modelservice.manage.organizations import create_organization
from modelservice.manage.system_catalogue import import_catalogue, load_documented
from modelservice.store.access import Access
from modelservice.store.changes import Changes, Revision, read_changes
from modelservice.store.database import Database
from modelservice.telemetry import make_log
from tests.support.harness import wait_until
from tests.support.models import entry, model


def listed(snapshot: Snapshot) -> list[str]:
    by_rest = [item["id"] for item in json.loads(HttpBody.FromString(snapshot.listing.alone.http_body).data)["data"]]
    assert by_rest == [item.id for item in pb.ListModelsResponse.FromString(snapshot.listing.alone.message).data]
    return by_rest


def test_a_joined_list_is_the_message_that_it_stands_for() -> None:
    models = [model(name=name, metadata={"b": 1, "a": 2}) for name in ("x", "y")]
    whole = pb.ListModelsResponse(object="list")
    for one in models:
        whole.data.extend(pb.ListModelsResponse.FromString(render_entry(one).element).data)

    assert whole.SerializeToString(deterministic=True) == Listing([render_entry(one) for one in models]).alone.message


def test_an_empty_list_is_a_list() -> None:
    assert b'{"object":"list","data":[]}' == HttpBody.FromString(Listing([]).alone.http_body).data


def test_changes_after_changes_are_the_same_as_all_at_once(url: str) -> None:
    database = Database(url, Access.READ)
    held: Snapshot | None = None
    for names in (["a", "b"], ["c"], ["a", "d"], []):
        import_catalogue(url, "test", [entry(name, display_name="-".join(names)) for name in names])
        changes = read_changes(database, held.revision if held else None)
        if changes:
            held = advance(held, changes, RenderedCache())
    whole = read_changes(database, None)
    assert held is not None
    assert whole is not None

    at_once = advance(None, whole, held.rendered)
    assert at_once.listing.alone == held.listing.alone
    assert replace(at_once, listing=held.listing) == held
    assert ["a", "b", "c", "d"] == listed(held)


def test_a_disabled_model_is_not_listed_and_can_be_got(url: str) -> None:
    import_catalogue(url, "test", [entry("on"), entry("off", enabled=False)])
    changes = read_changes(Database(url, Access.READ), None)
    assert changes is not None
    snapshot = advance(None, changes, RenderedCache())

    assert ["on"] == listed(snapshot)
    assert not pb.Model.FromString(snapshot.get("off", Viewer(None)).message).enabled


def test_complete_changes_forget_what_was_held(url: str, tmp_path: Path) -> None:
    import_catalogue(url, "test", [entry("old")])
    changes = read_changes(Database(url, Access.READ), None)
    assert changes is not None
    held = advance(None, changes, RenderedCache())
    other = f"sqlite:///{tmp_path / 'other.db'}"
    migrate(other)
    import_catalogue(other, "test", [entry("new")])

    replaced = read_changes(Database(other, Access.READ), held.revision)
    assert replaced is not None
    snapshot = advance(held, replaced, RenderedCache())

    assert ["new"] == listed(snapshot)
    with pytest.raises(Refusal) as raised:
        snapshot.get("old", Viewer(None))
    assert MODEL_NOT_FOUND == raised.value.kind


class Fallible:
    """A reader that fails when a test says so."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, Access.READ)
        self.error: Exception | None = None
        self.spoilt = False
        self.answering = threading.Event()
        self.answering.set()
        self.reads = 0

    def __call__(self, held: Revision | None, pause: Callable[[], None]) -> Changes | None:
        self.reads += 1
        self.answering.wait()
        if self.error:
            raise self.error
        changes = read_changes(self._database, held, pause)
        no_key: Any = None
        return replace(changes, keys=(no_key,)) if changes and self.spoilt else changes

    def wait_for_reads(self, count: int) -> None:
        after = self.reads + count
        wait_until(lambda: self.reads >= after, "the catalogue is refreshed")


@pytest.fixture
def refreshed(url: str) -> Iterator[tuple[Catalogue, Fallible, io.StringIO, threading.Event]]:
    reader, lines, loaded = Fallible(url), io.StringIO(), threading.Event()
    catalogue = Catalogue(reader, 0.01, make_log(lines, "info"))
    yield catalogue, reader, lines, loaded
    catalogue.close()


def test_a_change_arrives_by_itself(
    url: str, refreshed: tuple[Catalogue, Fallible, io.StringIO, threading.Event]
) -> None:
    catalogue, _, _, loaded = refreshed
    assert catalogue.snapshot is None
    catalogue.start(loaded.set)
    assert loaded.wait(10)

    load_documented(url, "test")

    wait_until(lambda: catalogue.snapshot and len(listed(catalogue.snapshot)) == 10, "the change is there")


@pytest.mark.parametrize(
    ("error", "over"),
    [
        (DatabaseUnavailableError("gone: no route"), "the database can be read again"),
        (ValueError("a defect"), "task recovered"),
    ],
)
def test_a_failing_database_costs_freshness_and_says_so_once(
    url: str, refreshed: tuple[Catalogue, Fallible, io.StringIO, threading.Event], error: Exception, over: str
) -> None:
    catalogue, reader, lines, loaded = refreshed
    load_documented(url, "test")
    catalogue.start(loaded.set)
    assert loaded.wait(10)
    held = catalogue.snapshot

    reader.error = error
    reader.wait_for_reads(5)
    assert held is catalogue.snapshot
    reader.error = None
    create_organization(url, "test", "acme")

    wait_until(lambda: catalogue.snapshot is not held, "changes flow again")
    said = [line for line in map(json.loads, lines.getvalue().splitlines()) if line["level"] == "error"]
    assert 1 == len(said)
    wait_until(lambda: lines.getvalue().count(over) == 1, "its end is said")


def test_what_was_read_and_cannot_be_used_is_a_failure_too(
    url: str, refreshed: tuple[Catalogue, Fallible, io.StringIO, threading.Event]
) -> None:
    catalogue, reader, lines, loaded = refreshed
    load_documented(url, "test")
    catalogue.start(loaded.set)
    assert loaded.wait(10)
    held = catalogue.snapshot

    reader.spoilt = True
    create_organization(url, "test", "acme")
    wait_until(lambda: catalogue.failures > 5, "failures are counted")

    assert held is catalogue.snapshot
    assert 1 == lines.getvalue().count("task failed")
    assert 0 == lines.getvalue().count("the database can be read again")
    reader.spoilt = False
    wait_until(lambda: catalogue.snapshot is not held, "changes flow again")


def test_a_database_that_neither_answers_nor_fails_makes_answers_too_old(
    url: str, refreshed: tuple[Catalogue, Fallible, io.StringIO, threading.Event]
) -> None:
    catalogue, reader, lines, loaded = refreshed
    load_documented(url, "test")
    said: list[str] = []
    fresh = FreshAnswers(catalogue, 2, make_log(lines, "info"))
    fresh.start(lambda: said.append("suspend"), lambda: said.append("resume"))
    try:
        assert fresh.snapshot is None
        catalogue.start(loaded.set)
        assert loaded.wait(10)
        assert fresh.snapshot

        reader.answering.clear()
        wait_until(lambda: fresh.snapshot is None, "what is held is too old")
        assert catalogue.snapshot
        reader.answering.set()
        wait_until(lambda: fresh.snapshot, "it is fresh again")
        wait_until(lambda: said == ["suspend", "resume"], "both are told")
    finally:
        reader.answering.set()
        fresh.close()

    assert [1, 1] == [lines.getvalue().count(text) for text in ("too old to serve", "is fresh again")]
    assert 0 == lines.getvalue().count("cannot be read")


def test_no_answer_runs_sql(url: str, refreshed: tuple[Catalogue, Fallible, io.StringIO, threading.Event]) -> None:
    catalogue, reader, _, loaded = refreshed
    load_documented(url, "test")
    threads = set()

    def record(*_: object) -> None:
        threads.add(threading.current_thread().name)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        catalogue.start(loaded.set)
        assert loaded.wait(10)
        snapshot = catalogue.snapshot
        assert snapshot is not None
        for _ in range(1_000):
            for name in listed(snapshot):
                assert snapshot.get(name, Viewer(None))
        reader.wait_for_reads(2)
    finally:
        event.remove(Engine, "before_cursor_execute", record)

    assert {"refresher"} == threads
