"""Export, edit, import: only what was edited changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice.errors import InvalidValueError, NotFoundError
from modelservice.manage.catalogue_file import read_file
from modelservice.manage.lookup import ModelRef
from modelservice.manage.maintenance import migrate
from modelservice.manage.models import create_model, list_models
from modelservice.manage.organizations import create_organization
from modelservice.manage.outcome import Outcome
from modelservice.manage.purging import purge_model
from modelservice.manage.sources import withdraw_source
from modelservice.manage.system_catalogue import Export, Part, export_catalogue, import_parts, load_documented
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.writing import write
from tests.support.changes import LITELLM, OWN, QUOTA, delete, guess, layers_of, revision, show, state, update
from tests.support.models import entry

# Of equal ranks, the first name wins.
EXPORTED = "a.yaml"


@pytest.fixture
def url(url: str) -> str:
    """A database with the documented models, and one of which several sources know."""
    load_documented(url, "test")
    fields: dict[str, Any] = {"max_tokens": 5, "metadata": {"a": 1, "b": 2}, "capabilities": ["reasoning", "x"]}
    state(url, OWN, entry("m", **fields, system_prompt="p\nq", cost_per_1k_tokens=0.1, description="d"))
    guess(url, LITELLM, "m", {"compliance": ["soc2"]}, context_window=7)
    return url


def edited(url: str, export: Export, name: str = "m", **fields: Any) -> Outcome:
    """Imports an export in which a model was edited."""
    models = [one | fields if one["name"] == name else one for one in export.models]
    return imported(url, Export(export.revision, models))


def imported(url: str, export: Export, **options: Any) -> Outcome:
    return import_parts(url, "test", [Part(EXPORTED, export.models, export.revision)], **options)


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_an_export_that_nobody_edited_changes_nothing(url: str, tmp_path: Path, suffix: str) -> None:
    export = export_catalogue(url)
    file = tmp_path / f"c{suffix}"
    content = {"revision": export.revision, "models": export.models}
    file.write_text(json.dumps(content) if suffix == ".json" else yaml.safe_dump(content))
    before = revision(url)

    found = read_file(file)
    outcome = imported(url, Export(found.revision or "", found.entries))

    assert outcome.is_empty
    assert 11 == len(outcome.unchanged)
    assert before == revision(url)


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"cost_per_1k_tokens": 0.2}, {"cost_per_1k_tokens": (0.1, 0.2)}),
        ({"cost_per_1k_tokens": None}, {"cost_per_1k_tokens": (0.1, None)}),
        ({"capabilities": ["x", "y"]}, {"capabilities": (["reasoning", "x"], ["x", "y"])}),
        ({"capabilities": []}, {"capabilities": (["reasoning", "x"], [])}),
        ({"compliance": None}, {"compliance": (["soc2"], [])}),
        ({"metadata": {"a": 1, "c": 3}}, {"metadata": ({"a": 1, "b": 2}, {"a": 1, "c": 3})}),
        ({"metadata": {"a": True, "b": 2}}, {"metadata": ({"a": 1, "b": 2}, {"a": True, "b": 2})}),
        ({"enabled": False}, {"enabled": (True, False)}),
        ({"system_prompt": "r"}, {"system_prompt": ("p\nq", "r")}),
        ({"created": 5}, {"created": 5}),
    ],
)
def test_what_was_edited_in_an_export_changes_and_nothing_else(
    url: str, fields: dict[str, Any], change: dict[str, Any]
) -> None:
    export = export_catalogue(url)
    others = [model for model in list_models(url, None) if model.name != "m"]

    outcome = edited(url, export, **fields)

    (name,) = change
    found = outcome.changed["m"]
    assert {name} == found.keys()
    assert change[name] in (found[name], found[name][1])
    assert others == [model for model in list_models(url, None) if model.name != "m"]
    assert {(OWN, False), (LITELLM, False), (LITELLM, True), (EXPORTED, False)} == layers_of(url, "m")


def test_of_an_edited_model_only_the_difference_is_stated(url: str) -> None:
    edited(url, export_catalogue(url), cost_per_1k_tokens=0.2)

    # What the file shows and did not change is still its sources'.
    state(url, OWN, entry("m", max_tokens=6, cost_per_1k_tokens=0.3))
    assert (6, 0.2) == (show(url, "m").max_tokens, show(url, "m").cost_per_1k_tokens)
    withdraw_source(url, "test", EXPORTED)
    assert 0.3 == show(url, "m").cost_per_1k_tokens


def test_an_edit_adds_to_what_the_file_stated_before(url: str) -> None:
    edited(url, export_catalogue(url), cost_per_1k_tokens=0.2, metadata={"a": 1, "b": 3})
    edited(url, export_catalogue(url), max_tokens=6, metadata={"a": 4, "b": 3})

    model = show(url, "m")
    assert (0.2, 6, {"a": 4, "b": 3}) == (model.cost_per_1k_tokens, model.max_tokens, model.metadata)


def test_a_line_that_was_removed_changes_nothing(url: str) -> None:
    export = export_catalogue(url)
    models = [{name: value for name, value in one.items() if name != "max_tokens"} for one in export.models]

    assert imported(url, Export(export.revision, models)).is_empty


def test_what_changed_since_the_export_stays(url: str) -> None:
    export = export_catalogue(url)
    update(url, "m", max_tokens=6)

    outcome = edited(url, export, cost_per_1k_tokens=0.2)

    assert {"m": {"cost_per_1k_tokens": (0.1, 0.2)}} == outcome.changed
    assert 6 == show(url, "m").max_tokens


def test_what_a_command_has_set_is_reported_as_kept(url: str) -> None:
    export = export_catalogue(url)
    update(url, "m", cost_per_1k_tokens=0.3)

    outcome = edited(url, export, cost_per_1k_tokens=0.2)

    assert ({}, ["m"]) == (outcome.changed, outcome.restated)
    assert [("cost_per_1k_tokens", 0.2, 0.3, "manual")] == [
        (item.field, item.value, item.kept, item.source) for item in outcome.shadowed
    ]


def test_an_edit_below_another_file_of_equal_rank_is_reported(url: str) -> None:
    export = export_catalogue(url)
    models = [one | {"cost_per_1k_tokens": 0.2} if one["name"] == "m" else one for one in export.models]

    outcome = import_parts(url, "test", [Part("z.yaml", models, export.revision)])

    assert ({}, ["m"]) == (outcome.changed, outcome.restated)
    assert [(0.2, 0.1, OWN)] == [(item.value, item.kept, item.source) for item in outcome.shadowed]


def test_an_edit_under_the_name_of_the_file_that_states_the_model_counts(url: str) -> None:
    export = export_catalogue(url)
    models = [one | {"cost_per_1k_tokens": 0.2} if one["name"] == "m" else one for one in export.models]

    outcome = import_parts(url, "test", [Part(OWN, models, export.revision)])

    assert {"m": {"cost_per_1k_tokens": (0.1, 0.2)}} == outcome.changed


def test_a_model_that_was_added_to_an_export_is_new(url: str) -> None:
    export = export_catalogue(url)

    outcome = imported(url, Export(export.revision, [*export.models, entry("new", max_tokens=1)]))

    assert (["new"], {}) == ([*outcome.added], outcome.changed)


def test_a_new_model_without_a_provider_is_refused_and_named(url: str) -> None:
    export, before = export_catalogue(url), revision(url)

    with pytest.raises(InvalidValueError, match=r"^model new: provider: is missing"):
        imported(url, Export(export.revision, [*export.models, {"name": "new", "max_tokens": 1}]))

    assert before == revision(url)


def test_an_edit_of_a_model_that_is_gone_is_refused_and_named(url: str) -> None:
    state(url, LITELLM, entry("other"))
    export = export_catalogue(url)
    state(url, LITELLM, entry("m"), prune=True)

    with pytest.raises(InvalidValueError, match=r"^model other: provider: is missing"):
        edited(url, export, "other", max_tokens=1)


def test_another_databases_export_is_refused_with_one_line(url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    migrate(other)
    for _ in range(3):
        state(other, OWN, entry("m", max_tokens=revision(other)))
    before = revision(url)

    with pytest.raises(InvalidValueError, match=r"^revision 3-\w+: is another database's or was replaced by a restore"):
        imported(url, export_catalogue(other))

    assert before == revision(url)


def test_an_export_of_the_past_is_compared_with_the_past(url: str) -> None:
    then = revision(url)
    update(url, "m", max_tokens=6)

    assert edited(url, export_catalogue(url, then), system_prompt="p\nq").is_empty
    assert {"m": {"cost_per_1k_tokens": (0.1, 0.2)}} == edited(
        url, export_catalogue(url, then), cost_per_1k_tokens=0.2
    ).changed


def test_an_export_whose_revision_is_forgotten_is_refused(url: str) -> None:
    export = export_catalogue(url)
    update(url, "m", max_tokens=6)
    with write(Database(url, Access.WRITE), 5, "test") as change:
        change.record("test.forget", "history", {})
        change.forget_before(change.revision() - 1)

    with pytest.raises(NotFoundError, match="history begins with"):
        edited(url, export, cost_per_1k_tokens=0.2)


def test_a_purged_model_is_left_out_of_exports_of_the_past(url: str) -> None:
    then = revision(url)
    delete(url, "m")
    purge_model(url, "test", ModelRef("m"))

    found = [one["name"] for one in export_catalogue(url, then).models]

    assert (10, False) == (len(found), "m" in found)


def test_models_of_organizations_are_not_exported(url: str) -> None:
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "m", {"name": "bot", "display_name": "Bot"}, prompt_quota=QUOTA)

    for export in (export_catalogue(url), export_catalogue(url, revision(url))):
        assert "bot" not in [one["name"] for one in export.models]


def test_a_whole_export_moves_a_catalogue_to_another_database(url: str, tmp_path: Path) -> None:
    export, other = export_catalogue(url), f"sqlite:///{tmp_path / 'other.db'}"
    migrate(other)

    import_parts(other, "test", [Part(EXPORTED, export.models)])

    def shown(where: str) -> list[object]:
        return [(model.id, model.name, model.max_tokens, model.metadata) for model in list_models(where, None)]

    assert shown(url) == shown(other)
    assert export.models == export_catalogue(other).models
