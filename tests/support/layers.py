"""Random layers, and a model of the merge in a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st

from modelservice.domain.layers import HAS, LACKS, MANUAL, ONLY, Layer, default_rank, in_order, merged
from modelservice.domain.values import canonical_json

SOURCES: Final = (MANUAL, "documented", "litellm", "models.dev", "a.yaml", "b.yaml")
LABELS: Final = ("zeta", "reasoning", "alpha", "text-generation", "multimodal")
KEYS: Final = ("a", "b", "c")
SCALARS: Final = ("display_name", "context_window", "max_tokens", "supports_tools")

Ranks = Mapping[str, int]

json_values = st.sampled_from([None, 0, 1, True, False, "x", [1], [True], {"k": None}, {}])


@st.composite
def label_statements(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(LABELS), unique=True))
    cut = draw(st.integers(0, len(names)))
    return statement(names[:cut], names[cut:], only=draw(st.booleans()))


@st.composite
def object_statements(draw: st.DrawFn) -> dict[str, Any]:
    has = draw(st.dictionaries(st.sampled_from(KEYS), json_values))
    lacks = draw(st.lists(st.sampled_from(KEYS), unique=True))
    return statement(has, [key for key in lacks if key not in has], only=draw(st.booleans()))


def statement(has: Any, lacks: Sequence[str], *, only: bool) -> dict[str, Any]:
    return {key: value for key, value in ((HAS, has), (LACKS, lacks), (ONLY, only)) if value}


documents = st.fixed_dictionaries(
    {},
    optional={
        "display_name": st.sampled_from("xy"),
        "context_window": st.integers(0, 2),
        "max_tokens": st.none() | st.integers(1, 2),
        "supports_tools": st.booleans(),
        "capabilities": label_statements(),
        "metadata": object_statements(),
    },
)
layer_sets = st.dictionaries(st.tuples(st.sampled_from(SOURCES), st.booleans()), documents).map(
    lambda found: [Layer(*key, document) for key, document in found.items()]
)
ranks_of_some = st.dictionaries(st.sampled_from(SOURCES), st.integers(1, 3))
label_lists = st.lists(st.sampled_from(LABELS), unique=True)
objects = st.dictionaries(st.sampled_from(KEYS), json_values)

# --- The model: each leaf asks all layers, and takes the answer of the highest that has one. -------------------------

SILENT: Final = object()
GONE: Final = object()


def says(layer: Layer, name: str, leaf: str | None) -> Any:
    """What a layer says about a scalar, or about one label or key of a field."""
    if name not in layer.document:
        return SILENT
    said = layer.document[name]
    if leaf is None:
        return said
    if leaf in said.get(HAS, ()):
        return said[HAS][leaf] if name == "metadata" else True
    return GONE if leaf in said.get(LACKS, ()) or said.get(ONLY) else SILENT


def answer(layers: Sequence[Layer], ranks: Ranks, name: str, leaf: str | None = None) -> Any:
    answers = [
        ((layer.guessed, -ranks.get(layer.source, default_rank(layer.source)), layer.source), says(layer, name, leaf))
        for layer in layers
    ]
    spoken = [one for one in answers if one[1] is not SILENT]
    return min(spoken, key=lambda one: one[0])[1] if spoken else SILENT


def leaves(layers: Sequence[Layer], ranks: Ranks) -> dict[tuple[str, str | None], Any]:
    """Returns the value of each leaf that any layer states, as text: 1 is not true."""
    every = [*((name, None) for name in SCALARS), *(("capabilities", one) for one in LABELS)]
    every += [("metadata", key) for key in KEYS]
    found = {leaf: answer(layers, ranks, *leaf) for leaf in every}
    return {
        leaf: "gone" if value is GONE else canonical_json(value) for leaf, value in found.items() if value is not SILENT
    }


def values_of(layers: Sequence[Layer], ranks: Ranks) -> dict[str, Any]:
    return merged(in_order(layers, ranks))


def there(values: Mapping[str, Any]) -> dict[tuple[str, str | None], str]:
    """Returns the leaves of merged values."""
    found: dict[tuple[str, str | None], str] = {}
    for name, value in values.items():
        if name == "capabilities":
            found |= {(name, label): "true" for label in value}
        elif name == "metadata":
            found |= {(name, key): canonical_json(one) for key, one in value.items()}
        else:
            found[name, None] = canonical_json(value)
    return found
