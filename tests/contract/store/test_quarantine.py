"""A row that cannot be read or rendered is left out, and everything else is served."""

from __future__ import annotations

import dataclasses
import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial

import pytest

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.auth.authenticate import authenticate
from modelservice.auth.authorize import Viewer
from modelservice.catalogue import snapshot as snapshot_module
from modelservice.catalogue.refresher import Catalogue
from modelservice.catalogue.render_cache import RenderedCache
from modelservice.catalogue.rendering import Entry, render_entry
from modelservice.catalogue.snapshot import Snapshot, advance
from modelservice.domain.model import Model
from modelservice.domain.principal import MODELS_READ
from modelservice.errors import INVALID_API_KEY, MODEL_NOT_FOUND, InvalidValueError, Refusal
from modelservice.manage.clients import add_client
from modelservice.manage.keys import create_key
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import create_model, delete_models, update_models
from modelservice.manage.organizations import create_organization
from modelservice.manage.system_catalogue import import_catalogue
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from modelservice.telemetry import make_log
from tests.support.harness import wait_until
from tests.support.models import entry
from tests.support.poison import member, poison

SECRET = "a secret prompt"  # noqa: S105
# Of each table, by the name of a case: what a column is set to, and what the reason names. The first on every database.
DEEP = "{" + '"a":{' * 40 + "}" * 41
EVERYWHERE = [
    ("models", "labels that are no list", member("capabilities", '"text"'), "capabilities"),
    ("models", "a document that is no JSON", "document = '{'", "document"),
    ("models", "a document that is no object", "document = '[]'", "document"),
    ("models", "a field that does not exist", member("colour", "1"), "document"),
    ("models", "metadata that is no object", member("metadata", "[]"), "metadata"),
    ("models", "metadata that is too deep", member("metadata", DEEP), "metadata"),
    ("models", "a number out of bounds", member("context_window", "-1"), "context_window"),
    ("models", "an impossible name", "name = '..'", "name"),
    ("models", "an impossible position", "position = -1", "position"),
    ("models", "a number that is too long", member("compliance", f"[{'1' * 5000}]"), "document"),
    ("models", "a number that is none", member("context_window", '"many"'), "context_window"),
    ("own models", "labels that are no list", member("capabilities", "{}"), "capabilities"),
    ("own models", "a number out of bounds", member("context_window", "0"), "context_window"),
    ("own models", "an id that is none", member("system_prompt_id", '"x"'), "system_prompt_id"),
    ("own models", "an impossible time", "created = -1", "created"),
    ("api_keys", "scopes that are no list", "scopes = '\"models:read\"'", "scopes"),
    ("api_keys", "a scope that does not exist", "scopes = '[\"models:write\"]'", "scopes"),
    ("api_keys", "an expiry before its creation", "expires = 1", "expires"),
]
SQLITE = [
    ("models", "bytes that are no text", "document = CAST(x'ff41' AS TEXT)", "document"),
    ("models", "a position that is no number", "position = 'first'", "position"),
    ("own models", "bytes that are no text", "document = CAST(x'ff41' AS TEXT)", "document"),
    ("api_keys", "JSON that is none", "scopes = '['", "scopes"),
    ("api_keys", "a digest that is a text", "digest = 'abc'", "digest"),
    ("api_keys", "an expiry that is no number", "expires = 'never'", "expires"),
    ("api_keys", "bytes that are no text", "name = CAST(x'ff' AS TEXT)", "name"),
]
WHERE = {
    "models": "name = 'bad'",
    "own models": "name = 'own-bad'",
    "api_keys": "name = 'bad'",
    "clients": "id = 'client-bad'",
}


def table_of(kind: str) -> str:
    """Returns the table of a kind of row: organizations' models are in that of system models."""
    return "models" if kind == "own models" else kind


@dataclasses.dataclass
class World:
    """A database with one row of each table that goes bad, and one that stays good."""

    url: str
    bad_key: str
    good_key: str
    ids: dict[str, str]

    def load(self, held: Snapshot | None = None) -> Snapshot:
        """Returns the newest catalogue: after what is held, or as a server that starts."""
        changes = read_changes(Database(self.url, Access.READ), held.revision if held else None)
        assert changes
        return advance(held, changes, held.rendered if held else RenderedCache())


@pytest.fixture
def world(url: str) -> World:
    import_catalogue(url, "test", [entry("good", system_prompt=SECRET), entry("bad", system_prompt=SECRET)])
    create_organization(url, "test", "acme")
    for name in ("own-good", "own-bad"):
        fields = {"name": name, "display_name": name, "system_prompt": SECRET}
        own = create_model(url, "test", "acme", "good", fields, prompt_quota=1_000)
        add_client(url, "test", name.replace("own", "client"), "acme")
    good, bad = (create_key(url, "test", "acme", scopes={MODELS_READ}, name=name) for name in ("good", "bad"))
    held = World(url, bad.text, good.text, {}).load()
    ids = {
        "models": str(held.names["bad"].model.id),
        "own models": str(own.id),
        "api_keys": bad.id,
        "clients": "client-bad",
    }
    return World(url, bad.text, good.text, ids)


def listed(snapshot: Snapshot) -> set[str]:
    return {one.id for one in pb.ListModelsResponse.FromString(snapshot.list(Viewer("acme")).message).data}


def admitted(snapshot: Snapshot, key: str) -> bool:
    try:
        return authenticate([f"Bearer {key}"], snapshot, None, 10**9).organization_id == "acme"
    except Refusal as refusal:
        return refusal.kind is not INVALID_API_KEY


def served(world: World, snapshot: Snapshot) -> dict[str, bool]:
    """Returns which of the bad rows are served."""
    return {
        "models": "bad" in listed(snapshot),
        "own models": "own-bad" in listed(snapshot),
        "api_keys": admitted(snapshot, world.bad_key),
        "clients": "client-bad" in snapshot.clients,
    }


def check(world: World, kind: str, assignment: str, column: str) -> None:
    held = world.load()
    assert {True} == set(served(world, held).values())
    everything = dict.fromkeys(WHERE, True)

    poison(world.url, table_of(kind), assignment, WHERE[kind])

    followed, fresh = world.load(held), world.load()
    assert dataclasses.replace(followed, listing=fresh.listing, rendered=fresh.rendered) == fresh
    for snapshot in (followed, fresh):
        assert everything | {kind: False} == served(world, snapshot)
        assert {"good", "own-good"} <= listed(snapshot)
        assert admitted(snapshot, world.good_key)
        row = (table_of(kind), world.ids[kind])
        assert [row] == list(snapshot.left_out)
        assert snapshot.left_out[row].startswith(f"{column}: ")


@pytest.mark.parametrize(("kind", "_", "assignment", "column"), EVERYWHERE)
def test_a_row_that_cannot_be_read_costs_itself_alone(
    world: World, kind: str, _: str, assignment: str, column: str
) -> None:
    check(world, kind, assignment, column)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("kind", "_", "assignment", "column"), SQLITE)
def test_so_does_one_that_only_sqlite_keeps(world: World, kind: str, _: str, assignment: str, column: str) -> None:
    check(world, kind, assignment, column)


@pytest.mark.parametrize("kind", list(WHERE))
def test_a_row_that_is_mended_is_served_again(world: World, kind: str) -> None:
    broken, good = {
        "models": (member("display_name", '""'), member("display_name", '"bad"')),
        "own models": (member("display_name", '""'), member("display_name", '"own-bad"')),
        "api_keys": ("scopes = '[1]'", "scopes = '[\"models:read\"]'"),
        "clients": ("id = ' '", "id = 'client-bad'"),
    }[kind]
    poison(world.url, table_of(kind), broken, WHERE[kind])
    held = world.load()
    assert 1 == len(held.left_out)

    poison(world.url, table_of(kind), good, WHERE[kind] if kind != "clients" else "id = ' '")

    followed = world.load(held)
    # A client of another id is another client; the row of the old id is not there any more.
    assert ({} if kind != "clients" else held.left_out) == followed.left_out
    assert {True} == set(served(world, followed).values())
    assert {} == world.load().left_out


def test_organizations_models_go_and_come_with_their_parent(world: World) -> None:
    held = world.load()
    poison(world.url, "models", member("context_window", "-1"), "name = 'good'")

    for without in (world.load(held), world.load()):
        assert {"bad"} == listed(without)
        with pytest.raises(Refusal) as raised:
            without.get("own-good", Viewer("acme"))
        assert MODEL_NOT_FOUND == raised.value.kind
        # The system model, and the two that inherit from it.
        assert ["models"] * 3 == [table for table, _ in without.left_out]
        chosen = without.choose(pb.ListModelsRequest(page_size=10), Viewer("acme"))
        assert ["bad"] == [one.model.name for one in chosen.entries]

        poison(world.url, "models", member("context_window", "5"), "name = 'good'")
        after = world.load(without)
        assert ({}, {"good", "bad", "own-good", "own-bad"}) == (after.left_out, listed(after))
        poison(world.url, "models", member("context_window", "-1"), "name = 'good'")


def test_a_row_that_is_deleted_is_not_left_out_any_more(world: World) -> None:
    poison(world.url, "models", member("context_window", "0"), WHERE["own models"])
    held = world.load()
    assert held.left_out

    poison(world.url, "models", "deleted = true", WHERE["own models"])

    assert {} == world.load(held).left_out == world.load().left_out


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_deleted_row_may_hold_anything(world: World) -> None:
    delete_models(world.url, "test", [ModelRef("bad")])
    held = world.load()
    bad = f"id = '{world.ids['models']}'"
    poison(world.url, "models", "document = '{', name = CAST(x'ff' AS TEXT)", bad)
    # History refers to it, as no command would let it: without the check of references.
    with closing(sqlite3.connect(world.url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute(f"UPDATE models SET id = 'none' WHERE {bad}")  # noqa: S608  (a test's own id)

    assert {} == world.load(held).left_out == world.load().left_out


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_an_id_that_cannot_be_read_costs_no_other_row(world: World) -> None:
    poison(world.url, "api_keys", "id = CAST(x'ff0a' AS TEXT)", "name = 'bad'")

    snapshot = world.load()

    assert [("api_keys", "\\xff\n")] == list(snapshot.left_out)
    assert admitted(snapshot, world.good_key)


def test_a_command_names_the_row_that_it_cannot_read(world: World) -> None:
    poison(world.url, "models", "document = '{'", WHERE["models"])

    with pytest.raises(InvalidValueError, match=rf"^models {world.ids['models']}: cannot be read: "):
        import_catalogue(world.url, "test", [entry("new")])


def test_a_row_that_cannot_be_read_keeps_no_other_model_from_changing(world: World) -> None:
    poison(world.url, "models", "document = '{'", WHERE["models"])
    poison(world.url, "models", "document = '{'", WHERE["own models"])

    update_models(world.url, "test", [ModelRef("good")], {"context_window": 7}, prompt_quota=1_000)

    assert 7 == world.load().names["good"].model.context_window


def test_many_that_are_bad_among_many_are_the_ones_left_out(url: str) -> None:
    import_catalogue(url, "test", [entry(f"m-{number}") for number in range(230)])
    is_sqlite = url.startswith("sqlite")
    bad = "document = CAST(x'ff' AS TEXT)" if is_sqlite else "document = '{'"
    poison(url, "models", bad, "substr(name, length(name), 1) = '7'")

    changes = read_changes(Database(url, Access.READ), None)

    assert changes
    assert {f"m-{number}" for number in range(230) if number % 10 != 7} == {one.name for one in changes.models}
    assert 23 == len(changes.unreadable)


def test_a_model_that_cannot_be_rendered_costs_itself_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held = world.load()
    monkeypatch.setattr(snapshot_module, "render_entry", failing_for("bad"))
    poison(world.url, "models", member("display_name", '"new"'), "true")

    for snapshot in (world.load(held), world.load()):
        assert {"good", "own-good", "own-bad"} == listed(snapshot)
        assert {("models", world.ids["models"]): "cannot be rendered (TypeError)"} == snapshot.left_out


def test_an_organizations_model_that_cannot_be_rendered_costs_itself_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = world.load()
    monkeypatch.setattr(snapshot_module, "render_entry", failing_for("own-bad"))

    assert {"good", "bad", "own-good"} == listed(snapshot)
    assert [("models", world.ids["own models"])] == list(snapshot.left_out)
    # It is tried again when it has changed.
    monkeypatch.undo()
    assert {"good", "bad", "own-good"} == listed(snapshot)
    poison(world.url, "models", member("display_name", '"new"'), "name = 'own-bad'")
    after = world.load(snapshot)
    assert ({"good", "bad", "own-good", "own-bad"}, {}) == (listed(after), after.left_out)


def failing_for(name: str) -> Callable[[Model], Entry]:
    def render(model: Model) -> Entry:
        if model.name == name:
            raise TypeError(SECRET)
        return render_entry(model)

    return render


def test_each_row_is_named_once_and_counted_and_no_value_is_said(world: World) -> None:
    lines = io.StringIO()
    catalogue = Catalogue(partial(read_changes, Database(world.url, Access.READ)), 0.01, make_log(lines, "info"))
    catalogue.start(lambda: None)
    try:
        wait_until(lambda: catalogue.snapshot, "it is loaded")
        poison(world.url, "models", member("context_window", "-77"), "name = 'bad'")
        wait_until(lambda: catalogue.left_out["models"] == 1, "the row is left out")
        poison(world.url, "models", member("display_name", '"again"'), "name = 'bad'")
        create_organization(world.url, "test", "other")
        newest = world.load().revision.number
        wait_until(lambda: catalogue.snapshot and catalogue.snapshot.revision.number == newest, "it is up to date")
        poison(world.url, "models", member("context_window", "1"), "name = 'bad'")
        wait_until(lambda: catalogue.left_out["models"] == 0, "it is served again")
        wait_until(lambda: "rows are no longer left out" in lines.getvalue(), "it is said")
    finally:
        catalogue.close()

    said = [line for line in map(json.loads, lines.getvalue().splitlines()) if line["level"] == "error"]
    assert [("a row is left out", "models", world.ids["models"], "context_window: is invalid")] == [
        (line["message"], line["table"], line["id"], line["reason"]) for line in said
    ]
    for value in (SECRET, "-77"):
        assert value not in lines.getvalue()
    assert 0 == catalogue.failures


def test_a_thousand_bad_rows_are_not_a_thousand_lines(url: str) -> None:
    import_catalogue(url, "test", [entry(f"m-{number}") for number in range(1_000)])
    poison(url, "models", member("context_window", "-1"), "true")
    lines = io.StringIO()
    catalogue = Catalogue(partial(read_changes, Database(url, Access.READ)), 0.01, make_log(lines, "info"))

    catalogue._step()

    assert 1_000 == catalogue.left_out["models"]
    assert 20 == lines.getvalue().count('"a row is left out"')
    assert 1 == lines.getvalue().count('"count": 980')
