from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice.domain.model import Model
from modelservice.errors import ConfirmationError, InvalidValueError
from modelservice.manage.catalogue_file import InvalidCatalogueError, read_file
from modelservice.manage.lookup import ModelRef
from modelservice.manage.maintenance import migrate
from modelservice.manage.models import create_model, update_models
from modelservice.manage.organizations import create_organization
from modelservice.manage.outcome import Shadowed
from modelservice.manage.system_catalogue import export_catalogue, import_catalogue, load_documented
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from tests.support.catalogues import documented_entries
from tests.support.models import entry


def stored(url: str) -> list[Model]:
    read = read_changes(Database(url, Access.READ), None)
    assert read is not None
    return sorted(read.models, key=lambda model: model.position)


def test_the_documented_catalogue_is_loaded_once(url: str) -> None:
    assert load_documented(url, "test")
    assert not load_documented(url, "test")

    models = stored(url)
    assert [fields["name"] for fields in documented_entries()] == [model.name for model in models]
    assert list(range(1, 11)) == [model.position for model in models]
    # Written down, so the same in every installation.
    assert [fields["id"] for fields in documented_entries()] == [str(model.id) for model in models]


def test_a_database_with_models_is_left_as_it_is(url: str) -> None:
    import_catalogue(url, "test", [entry("mine")])

    assert not load_documented(url, "test")
    assert ["mine"] == [model.name for model in stored(url)]


def test_the_same_file_again_changes_nothing(url: str) -> None:
    first = import_catalogue(url, "test", documented_entries())
    before = stored(url)
    second = import_catalogue(url, "test", documented_entries())

    assert (10, 0, 0) == (len(first.added), len(first.changed), len(first.unchanged))
    assert (0, 0, 10) == (len(second.added), len(second.changed), len(second.unchanged))
    assert before == stored(url)


def test_a_changed_model_keeps_its_id_its_creation_and_its_place(url: str) -> None:
    import_catalogue(url, "test", [entry("a", created=5), entry("b"), entry("c")])
    before = stored(url)

    report = import_catalogue(url, "test", [entry("d"), entry("a", created=5, display_name="New"), entry("c")])

    assert (["d"], {"a": {"display_name": ("a", "New")}}, ["c"]) == ([*report.added], report.changed, report.unchanged)
    after = stored(url)
    assert ["a", "b", "c", "d"] == [model.name for model in after]
    assert (before[0].id, 5, "New") == (after[0].id, after[0].created, after[0].display_name)
    assert after[0].updated > before[0].updated
    assert before[1:] == after[1:3]


def test_a_creation_that_is_stated_no_longer_is_the_first_import(url: str) -> None:
    begin = int(time.time())
    import_catalogue(url, "test", [entry("a", created=5)])

    report = import_catalogue(url, "test", [entry("a")])

    (model,) = stored(url)
    assert begin <= model.created <= int(time.time())
    assert {"a": {"created": (5, model.created)}} == report.changed


A_UUID = "550e8400-e29b-41d4-a716-446655440000"
BAD: list[tuple[list[dict[str, Any]], type[Exception], str]] = [
    ([entry("a", speed=5)], InvalidValueError, "model a: speed: there is no such field"),
    ([entry("a", position=5)], InvalidValueError, "model a: position: there is no such field"),
    ([{"name": "a", "provider": "p"}], InvalidValueError, "model a: display_name: is missing"),
    ([entry("a", capabilities="text")], InvalidValueError, "model a: capabilities is 'text': must be a list"),
    ([entry("a", id="x")], InvalidValueError, "model a: id is 'x': must be a UUID"),
    ([entry("a"), entry("a")], InvalidValueError, "name a: appears in the entries 2, 3: must appear once"),
    (
        [entry("a", id=A_UUID), entry("b", id=A_UUID)],
        InvalidValueError,
        f"id {A_UUID}: appears in the entries 2, 3: must appear once",
    ),
    ([entry("a"), entry("held", id=A_UUID)], InvalidValueError, "model held: has the id .*, which never changes"),
    ([entry("a", enabled="maybe")], InvalidValueError, "model a: enabled is 'maybe'"),
]


@pytest.mark.parametrize(("entries", "error", "sentence"), BAD)
def test_one_bad_entry_and_nothing_is_imported(
    url: str, entries: list[dict[str, Any]], error: type[Exception], sentence: str
) -> None:
    import_catalogue(url, "test", [entry("held")])
    before = stored(url)

    with pytest.raises(error, match=f"^{sentence}"):
        import_catalogue(url, "test", [entry("good"), *entries])

    assert before == stored(url)


def test_the_id_of_another_model_is_refused(url: str) -> None:
    import_catalogue(url, "test", [entry("held", id=A_UUID)])

    with pytest.raises(InvalidValueError, match=f"model new: the id {A_UUID} belongs to held"):
        import_catalogue(url, "test", [entry("new", id=A_UUID)])


def test_what_one_source_says_no_more_gets_its_default_and_what_others_say_stays(url: str) -> None:
    import_catalogue(url, "test", [entry("a", description="d", context_window=5)], source="one")
    import_catalogue(url, "test", [entry("a", max_tokens=7)], source="two")

    report = import_catalogue(url, "test", [entry("a", context_window=5)], source="one")

    assert {"a": {"description": ("d", None)}} == report.changed
    (model,) = stored(url)
    assert (None, 5, 7) == (model.description, model.context_window, model.max_tokens)


def test_an_update_outlasts_every_import_and_the_import_names_it(url: str) -> None:
    load_documented(url, "test")
    update_models(url, "test", [ModelRef("gpt-4o")], {"context_window": 9}, prompt_quota=0)
    entries = [fields for fields in documented_entries() if fields["name"] == "gpt-4o"]

    report = import_catalogue(url, "test", entries)

    assert [Shadowed("gpt-4o", "context_window", 128_000, 9, "manual")] == report.shadowed
    assert ["gpt-4o"] == report.restated
    assert 9 == next(model for model in stored(url) if model.name == "gpt-4o").context_window


def test_the_documented_catalogue_outlasts_catalogues_that_others_publish(url: str) -> None:
    load_documented(url, "test")

    report = import_catalogue(url, "test", [entry("gpt-4o", context_window=1, description="new")], source="litellm")

    assert {} == report.changed
    fields = ("display_name", "provider", "context_window", "description")
    assert {(name, "documented") for name in fields} == {(item.field, item.source) for item in report.shadowed}


def test_a_file_of_ones_own_outranks_the_documented_catalogue(url: str) -> None:
    load_documented(url, "test")

    report = import_catalogue(url, "test", [entry("gpt-4o", context_window=1, description="new")], source="c.yaml")

    assert {"display_name", "provider", "context_window", "description"} == report.changed["gpt-4o"].keys()
    assert [] == report.shadowed


def test_prune_removes_what_the_same_source_brought_and_only_that(url: str) -> None:
    import_catalogue(url, "test", [entry("mine"), entry("kept"), entry("parent")], source="one")
    import_catalogue(url, "test", [entry("other")], source="two")
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "parent", {"display_name": "Child"}, prompt_quota=0)

    planned = import_catalogue(url, "test", [entry("kept")], source="one", prune=True, dry_run=True)
    with pytest.raises(ConfirmationError, match=r"^2 of 4 system models would be removed"):
        import_catalogue(url, "test", [entry("kept")], source="one", prune=True)
    assert {"mine", "kept", "parent", "other"} == {model.name for model in stored(url)}
    report = import_catalogue(url, "test", [entry("kept")], source="one", prune=True, confirmed=True)

    assert planned == report
    assert (["mine"], {"parent": {"enabled": (True, False)}}) == ([*report.removed], report.disabled)
    assert {"kept": True, "parent": False, "other": True} == {model.name: model.enabled for model in stored(url)}
    again = import_catalogue(url, "test", [entry("kept")], source="one", prune=True)
    assert ({}, {}, {"kept", "parent"}) == (again.removed, again.disabled, {*again.unchanged})


def test_a_dry_run_changes_nothing(url: str) -> None:
    report = import_catalogue(url, "test", documented_entries(), dry_run=True)

    assert 10 == len(report.added)
    assert [] == stored(url)


def test_a_name_that_an_organization_holds_is_named_and_nothing_changes(url: str) -> None:
    load_documented(url, "test")
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "gpt-4o", {"name": "taken", "display_name": "Taken"}, prompt_quota=0)
    before = stored(url)

    with pytest.raises(InvalidCatalogueError) as raised:
        import_catalogue(url, "test", [entry("free"), entry("taken")])

    assert ("model taken: the organization acme has a model of this name",) == raised.value.problems
    assert before == stored(url)


def test_every_bad_entry_is_named_in_one_run(url: str) -> None:
    bad: list[Any] = [
        entry("a b"),
        entry("ok"),
        entry("c", context_window=-1, enabled="yes", speed=5),
        {"name": "d"},
        "text",
        entry("ok"),
    ]
    with pytest.raises(InvalidCatalogueError) as raised:
        import_catalogue(url, "test", bad)

    beginnings = [
        "model name 'a b': must be 1-256 letters",
        "model c: speed: there is no such field",
        "model c: context_window is -1: must be a whole number",
        "model c: enabled is 'yes': must be true or false",
        "model d: display_name: is missing",
        "model d: provider: is missing",
        "entry 5: must be an object",
        "name ok: appears in the entries 2, 6: must appear once",
    ]
    assert len(beginnings) == len(raised.value.problems)
    for beginning, problem in zip(beginnings, raised.value.problems, strict=True):
        assert problem.startswith(beginning)


def test_export_and_import_round_trip(url: str, tmp_path: Path) -> None:
    load_documented(url, "test")
    import_catalogue(url, "test", [entry("x", metadata={"b": [1, {"ü": None}]}, enabled=False, system_prompt="p\nq")])
    exported = export_catalogue(url).models
    for name, text in (("c.yaml", yaml.safe_dump({"models": exported})), ("c.json", json.dumps({"models": exported}))):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        other = f"sqlite:///{tmp_path / name}.db"
        migrate(other)

        import_catalogue(other, "test", read_file(file).entries)

        assert exported == export_catalogue(other).models
        same = import_catalogue(url, "test", read_file(file).entries, dry_run=True)
        assert (11, {}, {}) == (len(same.restated), same.added, same.changed)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("models: [", "is not YAML: line 2: did not find expected node content"),
        ("[]", "must hold `models`"),
        ("models: 5", "must hold `models`"),
        ("models: []\nother: 1", "must hold `models`"),
        ("!!python/object/apply:os.system ['true']", "line 1: a tag: must be left out"),
    ],
)
def test_a_file_that_is_no_catalogue_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)

    with pytest.raises(InvalidCatalogueError, match=sentence) as raised:
        read_file(file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
