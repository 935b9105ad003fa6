"""What counts is what the highest layer states: random layers against a model of a few lines."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelservice.domain.field_kind import Kind
from modelservice.domain.fields import BY_NAME
from modelservice.domain.layers import (
    CREATED,
    DELETED,
    HAS,
    LACKS,
    MANUAL,
    ONLY,
    STATED,
    Layer,
    differ,
    effective_values,
    exists,
    in_order,
    merged,
    patched,
    shadowed,
    stated,
    stated_difference,
    stated_whole,
)
from modelservice.domain.values import canonical_json
from tests.support.layers import (
    GONE,
    LABELS,
    SCALARS,
    SILENT,
    SOURCES,
    Ranks,
    documents,
    label_lists,
    layer_sets,
    leaves,
    objects,
    ranks_of_some,
    says,
    there,
    values_of,
)


@given(layer_sets, ranks_of_some)
def test_each_leaf_comes_from_the_highest_layer_that_states_it(layers: list[Layer], ranks: Ranks) -> None:
    values = values_of(layers, ranks)

    assert {leaf: value for leaf, value in leaves(layers, ranks).items() if value != "gone"} == there(values)
    assert {name for layer in layers for name in layer.document} == values.keys()


@given(layer_sets, ranks_of_some)
def test_labels_show_in_the_order_of_the_highest_layer_then_the_documents_then_by_name(
    layers: list[Layer], ranks: Ranks
) -> None:
    ordered = in_order(layers, ranks)
    labels = merged(ordered).get("capabilities", [])

    first: list[str] = next((has for one in ordered if (has := one.document.get("capabilities", {}).get(HAS))), [])
    rest = [label for label in BY_NAME["capabilities"].vocabulary if label not in first]
    others = sorted(set(LABELS).difference(first, rest))
    assert [label for label in (*first, *rest, *others) if label in labels] == labels


@given(layer_sets, ranks_of_some, st.randoms(use_true_random=False))
def test_the_order_of_imports_never_changes_a_value(layers: list[Layer], ranks: Ranks, chance: random.Random) -> None:
    shuffled = chance.sample(layers, len(layers))

    assert canonical_json(values_of(layers, ranks)) == canonical_json(values_of(shuffled, ranks))


@given(
    st.lists(st.tuples(st.sampled_from(SOURCES), st.booleans(), st.none() | documents)),
    ranks_of_some,
    st.sampled_from(SOURCES),
)
def test_a_withdrawn_source_has_never_spoken(
    events: list[tuple[str, bool, dict[str, Any] | None]], ranks: Ranks, withdrawn: str
) -> None:
    def after(events: list[tuple[str, bool, dict[str, Any] | None]]) -> list[Layer]:
        """Returns what is stated last: None withdraws."""
        last = {(source, guessed): document for source, guessed, document in events}
        return [Layer(*key, document) for key, document in last.items() if document is not None]

    ended = [*events, (withdrawn, False, None), (withdrawn, True, None)]
    others = [event for event in events if event[0] != withdrawn]

    assert canonical_json(values_of(after(others), ranks)) == canonical_json(values_of(after(ended), ranks))


@given(layer_sets, ranks_of_some, st.sampled_from(SOURCES), st.booleans(), documents)
def test_silence_never_removes(
    layers: list[Layer],
    ranks: Ranks,
    source: str,
    guessed: bool,  # noqa: FBT001
    document: dict[str, Any],
) -> None:
    added = Layer(source, guessed, document)
    others = [layer for layer in layers if layer.key != added.key]
    before, after = there(values_of(others, ranks)), there(values_of([*others, added], ranks))

    silent = [leaf for leaf in before if says(added, *leaf) is SILENT]
    assert {leaf: before[leaf] for leaf in silent} == {leaf: after.get(leaf) for leaf in silent}


@given(layer_sets, ranks_of_some)
def test_an_empty_layer_changes_nothing(layers: list[Layer], ranks: Ranks) -> None:
    added = [*layers, Layer("new.yaml", guessed=False, document={})]

    assert canonical_json(values_of(layers, ranks)) == canonical_json(values_of(added, {**ranks, "new.yaml": 9}))


@given(layer_sets, ranks_of_some)
def test_an_explicit_null_counts(layers: list[Layer], ranks: Ranks) -> None:
    top = Layer("top", guessed=False, document={"max_tokens": None})

    ordered = in_order([*layers, top], {**ranks, "top": 10_000})

    assert merged(ordered)["max_tokens"] is None
    assert "max_tokens" not in effective_values("m", ordered, is_system=True)


@given(layer_sets, ranks_of_some)
def test_a_guess_never_wins_over_a_statement(layers: list[Layer], ranks: Ranks) -> None:
    statements = leaves([layer for layer in layers if not layer.guessed], ranks)

    values = there(values_of(layers, ranks))

    assert statements == {leaf: values.get(leaf, "gone") for leaf in statements}


@given(layer_sets, ranks_of_some, label_lists, objects)
def test_only_states_that_there_are_no_others(
    layers: list[Layer], ranks: Ranks, labels: list[str], members: dict[str, Any]
) -> None:
    top = {"capabilities": {HAS: labels, ONLY: True}, "metadata": {HAS: members, ONLY: True}}

    values = values_of([*layers, Layer("top", guessed=False, document=top)], {**ranks, "top": 10_000})

    assert labels == values["capabilities"]
    assert canonical_json(members) == canonical_json(values["metadata"])


@given(layer_sets, ranks_of_some, label_lists, objects, st.none() | st.integers(1, 2))
def test_a_patched_layer_makes_any_values_of_any(
    layers: list[Layer], ranks: Ranks, labels: list[str], members: dict[str, Any], limit: int | None
) -> None:
    ranks = {**ranks, "top": 10_000}
    mine = next((layer for layer in layers if not layer.guessed), None)
    document = dict(mine.document) if mine else {}
    others = [layer for layer in layers if layer is not mine]
    before = values_of([*others, Layer("top", guessed=False, document=document)], ranks)
    after = {"capabilities": labels, "metadata": members, "max_tokens": limit}

    for name, value in after.items():
        difference = stated_difference(BY_NAME[name], before.get(name), value)
        document[name] = patched(BY_NAME[name], document.get(name), difference)
    values = values_of([*others, Layer("top", guessed=False, document=document)], ranks)

    assert canonical_json({**before, **after}) == canonical_json(values)


@given(label_lists, label_lists, objects, objects)
def test_a_difference_is_silent_about_what_is_the_same(
    labels: list[str], more: list[str], before: dict[str, Any], after: dict[str, Any]
) -> None:
    difference = stated_difference(BY_NAME["metadata"], before, after)
    same = [key for key in before if key in after and canonical_json(before[key]) == canonical_json(after[key])]

    assert set(before.keys() | after.keys()).difference(same) == {*difference.get(HAS, ()), *difference.get(LACKS, ())}
    assert set(labels) - set(more) == set(
        stated_difference(BY_NAME["capabilities"], labels, more).get(LACKS, ()),
    )


@pytest.mark.parametrize(
    ("one", "other", "is_so"),
    [
        (1, True, True),
        ([0], [False], True),
        ({"a": {"b": 1}}, {"a": {"b": True}}, True),
        ({"a": None}, {}, True),
        ([1], [1, 1], True),
        ([], {}, True),
        (1, 1.0, False),
        ({"a": 1, "b": [True]}, {"b": [True], "a": 1.0}, False),
    ],
)
def test_true_is_not_one_and_one_is_one(one: Any, other: Any, *, is_so: bool) -> None:
    assert (is_so, is_so) == (differ(one, other), differ(other, one))


VALUES: Final[Mapping[Kind, st.SearchStrategy[Any]]] = {
    Kind.TEXT: st.text(min_size=1, max_size=3),
    Kind.NUMBER: st.integers(1, 9),
    Kind.PRICE: st.integers(0, 9) | st.floats(0, 9),
    Kind.FLAG: st.booleans(),
    Kind.UUID: st.uuids(),
    Kind.LABELS: label_lists.map(tuple),
    Kind.OBJECT: objects,
}


@pytest.mark.parametrize("name", [field.name for field in STATED])
@pytest.mark.parametrize("state", [stated, stated_whole])
@given(data=st.data())
def test_what_is_stated_alone_counts(name: str, state: Callable[..., Any], data: st.DataObject) -> None:
    field = BY_NAME[name]
    value = data.draw(st.none() | VALUES[field.kind] if field.nullable else VALUES[field.kind])

    values = merged([Layer("a.yaml", guessed=False, document={name: state(field, value)})])

    assert value == field.read(values[name])


@pytest.mark.parametrize(("name", "empty"), [("capabilities", []), ("compliance", []), ("metadata", {})])
def test_null_states_that_there_are_no_labels_and_no_metadata(name: str, empty: Any) -> None:
    field = BY_NAME[name]
    some = {HAS: {"a": 1} if empty == {} else ["a"]}
    low = Layer("litellm", guessed=False, document={name: some})

    assert {name: empty} == merged([Layer("a.yaml", guessed=False, document={name: stated(field, None)}), low])
    assert {name: empty} != merged([Layer("a.yaml", guessed=False, document={name: stated(field, empty)}), low])


@given(layer_sets, ranks_of_some, st.sampled_from(SOURCES))
def test_shadowed_is_what_would_count_if_the_source_were_the_highest(
    layers: list[Layer], ranks: Ranks, source: str
) -> None:
    own = next((layer for layer in layers if layer.key == (source, False)), None)
    assume(own is not None)
    assert own is not None
    now = leaves(layers, ranks)
    raised = leaves([*layers, dataclasses.replace(own, source="top")], {**ranks, "top": 10_000})

    found = list(shadowed(source, in_order(layers, ranks)))

    assert canonical_json(found)
    assert sorted(name for name, leaf in raised if raised[name, leaf] != now[name, leaf]) == sorted(
        name for name, *_ in found
    )


@given(layer_sets, ranks_of_some, st.sampled_from(SOURCES))
def test_what_shadows_states_otherwise(layers: list[Layer], ranks: Ranks, source: str) -> None:
    by_title = {layer.title: layer for layer in layers}
    values = values_of(layers, ranks)

    for name, value, kept, title in shadowed(source, in_order(layers, ranks)):
        leaf = None if name in SCALARS else value if isinstance(value, str) else next(iter(value.get(LACKS, value)))
        said = says(by_title[title], name, leaf)
        assert values[name] == kept
        assert said is not SILENT
        assert ("gone" if said is GONE else canonical_json(said)) == leaves(layers, ranks)[name, leaf]


A_LAYER: Final = Layer("a.yaml", guessed=False, document={"provider": "p"})


@pytest.mark.parametrize(
    ("layers", "is_there"),
    [
        ([], False),
        ([A_LAYER], True),
        ([Layer("a.yaml", guessed=True, document={"provider": "p"})], False),
        ([Layer(MANUAL, guessed=False, document={"provider": "p"})], False),
        ([Layer(MANUAL, guessed=False, document={"provider": "p", CREATED: True})], True),
        ([Layer("a.yaml", guessed=False, document={"max_tokens": 5})], False),
        ([A_LAYER, Layer(MANUAL, guessed=False, document={DELETED: True})], False),
        ([Layer(MANUAL, guessed=False, document={CREATED: True, DELETED: True}), A_LAYER], False),
    ],
)
def test_a_model_exists_while_a_source_states_it_or_an_administrator_created_it(
    layers: list[Layer], *, is_there: bool
) -> None:
    assert is_there == exists(layers)
    assert is_there == exists(layers[::-1])
