"""What counts of what several sources state about the same models."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from modelservice.domain.layers import DOCUMENTED
from modelservice.errors import ConflictError, InvalidValueError
from modelservice.manage.models import create_model, list_models
from modelservice.manage.sources import list_sources, withdraw_source
from modelservice.manage.system_catalogue import Part, import_parts, load_documented
from tests.support.changes import (
    LITELLM,
    MODELS_DEV,
    OWN,
    delete,
    guess,
    layers_of,
    revision,
    show,
    state,
    update,
)
from tests.support.models import entry


@pytest.mark.parametrize("first", [0, 1])
def test_each_field_has_the_value_of_the_highest_source_that_states_it(url: str, first: int) -> None:
    stated = [
        (OWN, entry("m", context_window=1, max_tokens=2)),
        (LITELLM, entry("m", context_window=3, max_tokens_per_request=4)),
    ]
    for source, one in (stated[first], stated[1 - first]):
        state(url, source, one)

    model = show(url, "m")
    assert (1, 2, 4) == (model.context_window, model.max_tokens, model.max_tokens_per_request)


@pytest.mark.parametrize("first", [0, 1])
def test_a_statement_counts_more_than_a_guess_of_a_higher_source(url: str, first: int) -> None:
    changes = [
        lambda: guess(url, OWN, "m", {"context_window": 1, "max_tokens": 2}),
        lambda: state(url, LITELLM, entry("m", context_window=3)),
    ]
    changes[first]()
    changes[1 - first]()

    model = show(url, "m")
    assert (3, 2) == (model.context_window, model.max_tokens)


def test_guesses_are_ordered_among_themselves_by_rank(url: str) -> None:
    guess(url, LITELLM, "m", {"context_window": 1})
    guess(url, MODELS_DEV, "m", {"context_window": 2})

    assert 2 == show(url, "m").context_window


def test_sources_of_equal_rank_count_by_name(url: str) -> None:
    state(url, "b.yaml", entry("m", context_window=2))
    state(url, "a.yaml", entry("m", context_window=1))

    assert 1 == show(url, "m").context_window


def test_that_there_is_none_is_a_statement(url: str) -> None:
    state(url, LITELLM, entry("m", max_tokens=5))
    state(url, OWN, entry("m", max_tokens=None))

    assert show(url, "m").max_tokens is None


def test_silence_changes_nothing_that_others_state(url: str) -> None:
    state(url, LITELLM, entry("m", max_tokens=5, capabilities=["reasoning"], metadata={"a": 1}))
    state(url, OWN, entry("m"))

    model = show(url, "m")
    assert (5, ("reasoning",), {"a": 1}) == (model.max_tokens, model.capabilities, model.metadata)


def test_silence_withdraws_what_the_same_source_stated(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=5))
    state(url, LITELLM, entry("m", max_tokens=6))
    state(url, OWN, entry("m"))

    assert 6 == show(url, "m").max_tokens


def test_labels_are_stated_one_by_one(url: str) -> None:
    state(url, LITELLM, entry("m", capabilities=["reasoning", "multimodal"]))
    state(url, OWN, entry("m", capabilities={"has": ["text-generation"], "lacks": ["multimodal"]}))

    assert ("text-generation", "reasoning") == show(url, "m").capabilities


def test_only_states_that_there_are_no_other_labels(url: str) -> None:
    state(url, LITELLM, entry("m", capabilities=["reasoning", "multimodal"]))
    state(url, OWN, entry("m", capabilities={"has": ["text-generation"], "only": True}))

    assert ("text-generation",) == show(url, "m").capabilities


def test_null_states_that_there_are_no_labels(url: str) -> None:
    state(url, LITELLM, entry("m", compliance=["soc2"]))
    state(url, OWN, entry("m", compliance=None))

    assert () == show(url, "m").compliance


def test_labels_have_the_order_of_the_highest_source(url: str) -> None:
    state(url, LITELLM, entry("m", capabilities=["a", "multimodal", "text-generation", "b"]))
    state(url, OWN, entry("m", capabilities=["multimodal", "c", "text-generation"]))

    # Then that of the documents, and then the alphabet's.
    assert ("multimodal", "c", "text-generation", "a", "b") == show(url, "m").capabilities


def test_metadata_is_stated_by_key(url: str) -> None:
    state(url, LITELLM, entry("m", metadata={"a": 1, "b": {"deep": 1}}))
    state(url, OWN, entry("m", metadata={"b": {"other": 2}, "c": 3}))

    assert {"a": 1, "b": {"other": 2}, "c": 3} == show(url, "m").metadata


def test_an_update_of_metadata_keeps_the_keys_that_it_does_not_name(url: str) -> None:
    state(url, OWN, entry("m", metadata={"a": 1, "b": 2}))
    update(url, "m", metadata={"b": 3})
    update(url, "m", metadata={"c": 4})

    assert {"a": 1, "b": 3, "c": 4} == show(url, "m").metadata


def test_an_update_outranks_every_source_until_it_is_withdrawn(url: str) -> None:
    state(url, OWN, entry("m", context_window=1))
    update(url, "m", context_window=2)
    state(url, OWN, entry("m", context_window=3))
    assert 2 == show(url, "m").context_window

    changed = update(url, "m", unset=["context_window"])

    assert 3 == show(url, "m").context_window
    assert ("context_window",) == changed.fields
    assert {(OWN, False)} == layers_of(url, "m")


def test_what_is_not_set_can_be_withdrawn_without_a_trace(url: str) -> None:
    state(url, OWN, entry("m", context_window=1))
    before = revision(url)

    update(url, "m", unset=["context_window"])

    assert before == revision(url)


def test_lower_sources_neither_reprice_nor_retire_a_documented_model(url: str) -> None:
    load_documented(url, "test")
    before = list_models(url, None)
    everything = {
        "context_window": 1,
        "max_tokens": 1,
        "max_tokens_per_request": 1,
        "cost_per_1k_tokens": 9.0,
        "credit_multiplier": 9,
        "enabled": False,
        "capabilities": ["deprecated"],
        "compliance": ["none"],
        "encryption_supported": True,
        "pii_redaction_supported": True,
        "supports_streaming": True,
        "supports_tools": True,
        "description": "retired",
        "metadata": {"status": "retired"},
        "system_prompt": "x",
        "permission_id": "x",
    }

    outcome = state(url, LITELLM, *(entry(model.name, **everything) for model in before))

    assert before == list_models(url, None)
    assert {} == outcome.changed
    assert {DOCUMENTED} == {item.source for item in outcome.shadowed}


STATED: list[tuple[str, dict[str, Any]]] = [
    (LITELLM, entry("m", display_name="L", max_tokens=1, capabilities=["a", "b"], metadata={"x": 1, "y": 1})),
    (OWN, entry("m", display_name="O", max_tokens=None, capabilities={"lacks": ["a"]}, metadata={"y": 2})),
    (MODELS_DEV, entry("m", display_name="D", max_tokens=3, capabilities=["c"], description="d")),
]


def test_the_order_of_imports_changes_no_value(url: str) -> None:
    found = []
    for number, order in enumerate(itertools.permutations(STATED)):
        for source, one in order:
            state(url, source, one | {"name": f"m-{number}"})
        model = show(url, f"m-{number}")
        found.append((model.display_name, model.max_tokens, model.capabilities, model.metadata, model.description))

    assert {"O"} == {values[0] for values in found}
    assert [found[0]] * len(found) == found


def test_what_a_source_states_again_counts_for_itself_alone(url: str) -> None:
    state(url, LITELLM, entry("m", max_tokens=1))
    state(url, OWN, entry("m", max_tokens=2))

    outcome = state(url, LITELLM, entry("m", max_tokens=3))

    assert ({}, ["m"]) == (outcome.changed, outcome.restated)
    assert [("max_tokens", 3, 2, OWN)] == [
        (item.field, item.value, item.kept, item.source) for item in outcome.shadowed if item.field == "max_tokens"
    ]


def test_nothing_is_imported_if_shadowed_values_are_refused(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=2))
    before = revision(url)

    outcome = state(url, LITELLM, entry("m", max_tokens=3), entry("n"), refuse_shadowed=True)

    assert outcome.shadowed
    assert before == revision(url)


def test_nothing_of_a_deleted_model_is_reported_as_shadowed(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=2))
    delete(url, "m")

    assert [] == state(url, LITELLM, entry("m", max_tokens=3)).shadowed


def test_the_first_import_decides_on_place_and_uuid(url: str) -> None:
    state(url, LITELLM, entry("b"), entry("a"))
    before = {model.name: (model.id, model.position) for model in list_models(url, None)}

    state(url, OWN, entry("a"), entry("b"), entry("c"))

    after = {model.name: (model.id, model.position) for model in list_models(url, None)}
    assert ["b", "a", "c"] == [*after]
    assert before == {name: after[name] for name in before}


def test_several_files_are_sources_of_their_own(url: str) -> None:
    parts = [
        Part("a.yaml", [entry("m", max_tokens=1), entry("a")]),
        Part("b.yaml", [entry("m", max_tokens=2, context_window=3), entry("b")]),
    ]

    outcome = import_parts(url, "test", parts)

    assert ["m", "a", "b"] == [*outcome.added]
    assert (1, 3) == (show(url, "m").max_tokens, show(url, "m").context_window)
    assert {("a.yaml", False), ("b.yaml", False)} == layers_of(url, "m")
    assert {"a.yaml", "b.yaml"} <= {source.name for source in list_sources(url)}


A_UUID = "550e8400-e29b-41d4-a716-446655440000"


def test_a_new_model_of_two_files_has_the_uuid_that_one_of_them_states(url: str) -> None:
    import_parts(url, "test", [Part("a.yaml", [entry("m")]), Part("b.yaml", [entry("m", id=A_UUID)])])

    assert A_UUID == str(show(url, "m").id)


def test_two_files_cannot_give_one_uuid_to_two_new_models(url: str) -> None:
    parts = [Part("a.yaml", [entry("m", id=A_UUID)]), Part("b.yaml", [entry("n", id=A_UUID)])]

    with pytest.raises(InvalidValueError, match=f"^model n: the id {A_UUID} belongs to m$"):
        import_parts(url, "test", parts)

    assert [] == list_models(url, None)


def test_a_system_model_is_created_by_a_command(url: str) -> None:
    fields = {"name": "m", "display_name": "M", "provider": "p", "context_window": 5}
    created = create_model(url, "test", None, None, fields, prompt_quota=0)
    state(url, OWN, entry("m", context_window=6, max_tokens=7))

    model = show(url, "m")
    assert (created.id, 5, 7) == (model.id, model.context_window, model.max_tokens)
    # It does not depend on any source.
    withdraw_source(url, "test", OWN)
    assert created.id == show(url, "m").id


def test_a_created_system_model_needs_a_provider(url: str) -> None:
    with pytest.raises(InvalidValueError, match=r"^model m: provider: is missing"):
        create_model(url, "test", None, None, {"name": "m", "display_name": "M"}, prompt_quota=0)


def test_a_system_model_cannot_be_created_under_a_name_that_is_taken(url: str) -> None:
    state(url, OWN, entry("m"))

    with pytest.raises(ConflictError, match=r"^model m: a system model has this name$"):
        create_model(url, "test", None, None, {"name": "m", "display_name": "M", "provider": "p"}, prompt_quota=0)
