"""What two published catalogues say about the same models, in layers."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from modelservice.domain.layers import HAS, LACKS, Layer, in_order, merged
from modelservice.domain.values import canonical_json
from modelservice.manage.catalogue_file import checked
from modelservice.manage.importing import litellm, models_dev
from modelservice.manage.importing.account import Found, Selection, converted

NAME: Final = "acme/m"
CONVERT: Final = {"litellm": litellm.convert, "models.dev": models_dev.convert}

flags = st.none() | st.booleans()
limits = st.none() | st.integers(0, 3)
prices = st.none() | st.sampled_from([0, 1e-6, 2.5e-6])
modalities = st.none() | st.lists(st.sampled_from(["text", "image", "audio"]), unique=True)


def without_none(said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if value is not None}


litellm_models = st.fixed_dictionaries(
    {
        "litellm_provider": st.sampled_from(["acme", "azure"]),
        "mode": st.none() | st.sampled_from(["chat", "embedding"]),
        "max_input_tokens": limits,
        "max_output_tokens": limits,
        "max_tokens": limits,
        "input_cost_per_token": prices,
        "output_cost_per_token": prices,
        "supports_vision": flags,
        "supports_reasoning": flags,
        "supports_function_calling": flags,
    }
).map(without_none)
models_dev_models = st.fixed_dictionaries(
    {
        "name": st.none() | st.just("M"),
        "reasoning": flags,
        "tool_call": flags,
        "modalities": st.fixed_dictionaries({"input": modalities, "output": modalities}).map(without_none),
        "limit": st.fixed_dictionaries({"context": limits, "output": limits}).map(without_none),
        "cost": st.fixed_dictionaries({"input": prices, "output": prices}).map(without_none),
    }
).map(without_none)


def layers_of(form: str, said: dict[str, Any]) -> list[Layer]:
    """Returns the layers that a source has of a model."""
    found = Found(NAME, said.get("litellm_provider", "acme"), said)
    (one,) = checked(converted([found], Selection(), CONVERT[form]).entries, guesses=True)
    assert NAME == one.name
    return [Layer(form, guessed=False, document=one.document), Layer(form, guessed=True, document=one.guesses)]


def values_of(*layers: Layer) -> dict[str, Any]:
    return merged(in_order(layers, {}))


@given(litellm_models, models_dev_models)
def test_both_sources_give_the_same_values_in_either_order(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = layers_of("litellm", one), layers_of("models.dev", other)

    assert canonical_json(values_of(*first, *second)) == canonical_json(values_of(*second, *first))


@given(litellm_models, models_dev_models)
def test_a_guess_of_either_source_never_overrides_a_statement_of_the_other(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    layers = [*layers_of("litellm", one), *layers_of("models.dev", other)]
    stated, values = values_of(*(layer for layer in layers if not layer.guessed)), values_of(*layers)

    assert {**values, **stated, "capabilities": []} == {**values, "capabilities": []}
    has, lacks = (
        {label for layer in layers for label in layer.document.get("capabilities", {}).get(key, ())}
        for key in (HAS, LACKS)
    )
    assert set(stated.get("capabilities", ())) <= set(values.get("capabilities", ())) <= has
    assert set(values.get("capabilities", ())).isdisjoint(lacks - has)


@given(litellm_models, models_dev_models)
def test_models_dev_outranks_litellm_where_both_state_a_value(one: dict[str, Any], other: dict[str, Any]) -> None:
    low, high = layers_of("litellm", one)[0], layers_of("models.dev", other)[0]
    both = values_of(low, high)

    for name, value in values_of(high).items():
        assert name in ("capabilities", "metadata") or value == both[name]
    for label in ("reasoning", "multimodal"):
        said = high.document.get("capabilities", {})
        if label in (*said.get(HAS, ()), *said.get(LACKS, ())):
            assert (label in said.get(HAS, ())) == (label in both["capabilities"])


def test_a_guessed_display_name_never_overrides_a_stated_one() -> None:
    named, unnamed = layers_of("models.dev", {"name": "M"}), layers_of("models.dev", {})
    guessed = layers_of("litellm", {"litellm_provider": "acme"})
    own = Layer("z.yaml", guessed=False, document={"display_name": "Mine"})

    assert "M" == values_of(*guessed, *named)["display_name"]
    assert NAME == values_of(*guessed, *unnamed)["display_name"]
    assert "Mine" == values_of(*guessed, *unnamed, own)["display_name"]
    # Even if the source that guesses is ranked above all.
    ranks = {"litellm": 10_000, "models.dev": 9_000}
    assert "M" == merged(in_order([*guessed, *named], ranks))["display_name"]
    assert "Mine" == merged(in_order([*guessed, *unnamed, own], ranks))["display_name"]


@given(litellm_models, models_dev_models)
def test_what_a_file_is_silent_about_its_source_does_not_state(one: dict[str, Any], other: dict[str, Any]) -> None:
    low, high = layers_of("litellm", one)[0].document, layers_of("models.dev", other)[0].document

    assert "display_name" not in low
    assert ("supports_function_calling" in one) == ("supports_tools" in low)
    assert bool(one.get("max_input_tokens")) == ("context_window" in low)
    assert bool(one.get("max_output_tokens")) == ("max_tokens_per_request" in low)
    assert ("name" in other) == ("display_name" in high)
    assert ("tool_call" in other) == ("supports_tools" in high)
    assert ("reasoning" in other or "input" in other["modalities"]) == ("capabilities" in high)


@given(st.sampled_from(sorted(CONVERT)), st.data())
def test_no_label_is_both_stated_and_denied(form: str, data: st.DataObject) -> None:
    said = data.draw(litellm_models if form == "litellm" else models_dev_models)

    for layer in layers_of(form, said):
        labels = layer.document.get("capabilities", {})
        assert set(labels.get(HAS, ())).isdisjoint(labels.get(LACKS, ()))
