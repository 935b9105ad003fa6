"""What an organization's model inherits, and what it may say."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice.domain.fields import CLAIMS, INHERITED
from modelservice.domain.inheritance import (
    FROM_PARENT,
    LIMITED,
    OWN,
    check_claims,
    effective,
    inherit,
)
from modelservice.domain.model import Model, OrganizationModel
from modelservice.errors import InvalidValueError
from tests.support.models import model

PARENT = model(
    name="base",
    context_window=1000,
    max_tokens=900,
    max_tokens_per_request=100,
    cost_per_1k_tokens=0.5,
    credit_multiplier=3,
    capabilities=("text", "code"),
    compliance=("soc2",),
    encryption_supported=True,
    supports_streaming=True,
    metadata={"a": 1},
    system_prompt="parent's",
)


def owned(**fields: Any) -> OrganizationModel:
    values: dict[str, Any] = {
        "id": UUID(int=2),
        "organization_id": "acme",
        "parent_id": PARENT.id,
        "name": "mine",
        "display_name": "Mine",
        "created": 1,
        "updated": 2,
        "position": 3,
    }
    return OrganizationModel(**values | fields)


def test_what_is_unset_is_the_parents() -> None:
    shown = inherit(owned(), PARENT)

    for name in INHERITED:
        assert getattr(PARENT, name) == getattr(shown, name)
    assert ("mine", "Mine", "acme", PARENT.id, "base") == (
        shown.name,
        shown.display_name,
        shown.organization_id,
        shown.parent_id,
        shown.parent_name,
    )
    # Never the child's own.
    assert (None, None) == (shown.provider, shown.credit_multiplier)


def test_what_is_set_counts() -> None:
    said = {
        "context_window": 10,
        "max_tokens_per_request": 5,
        "cost_per_1k_tokens": 9.0,
        "capabilities": ("code",),
        "compliance": (),
        "encryption_supported": False,
        "metadata": {},
        "system_prompt": "",
    }
    shown = inherit(owned(**said), PARENT)

    assert said == {name: getattr(shown, name) for name in said}
    assert {OWN} == {effective(owned(**said), PARENT)[name].origin for name in said}


CLAIMED = [
    ("context_window", 1001, "context_window is 1001: must be at most 1000, base's"),
    ("max_tokens", 901, "max_tokens is 901: must be at most 900, base's"),
    ("max_tokens_per_request", 101, "max_tokens_per_request is 101: must be at most 100, base's"),
    ("capabilities", ("text", "flying"), "capabilities is text, flying: base has text, code"),
    ("compliance", ("hipaa",), "compliance is hipaa: base has soc2"),
    ("pii_redaction_supported", True, "pii_redaction_supported is true: base has false"),
    ("supports_tools", True, "supports_tools is true: base has false"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), CLAIMED)
def test_more_than_the_parent_has_cannot_be_claimed(field: str, value: object, sentence: str) -> None:
    with pytest.raises(InvalidValueError, match="^" + re.escape(f"model mine: {sentence}")):
        check_claims(owned(**{field: value}), PARENT)


@pytest.mark.parametrize("field", ["context_window", "max_tokens", "max_tokens_per_request"])
def test_a_parent_whose_own_is_unknown_vouches_for_nothing(field: str) -> None:
    unknown = model(name="base", context_window=0)

    with pytest.raises(InvalidValueError, match="base's is unknown"):
        check_claims(owned(**{field: 1}), unknown)


def test_when_the_parent_shrinks_the_smaller_counts() -> None:
    own = owned(context_window=500, capabilities=("code", "text"), encryption_supported=True)
    shrunk = model(name="base", context_window=300, capabilities=("text",))
    shown, origins = inherit(own, shrunk), effective(own, shrunk)

    assert (300, ("text",), False) == (shown.context_window, shown.capabilities, shown.encryption_supported)
    assert {LIMITED} == {origins[name].origin for name in ("context_window", "capabilities", "encryption_supported")}
    assert FROM_PARENT == origins["max_tokens"].origin


@pytest.mark.parametrize(("own", "parent", "both"), [(True, True, True), (True, False, False), (False, True, False)])
def test_a_disabled_parent_disables_its_children(*, own: bool, parent: bool, both: bool) -> None:
    assert both == inherit(owned(enabled=own), model(name="base", enabled=parent)).enabled


numbers = st.none() | st.integers(1, 50)
words = st.lists(st.sampled_from(["a", "b", "c"]), unique=True).map(tuple)


flags = st.booleans()


@given(
    own=st.fixed_dictionaries(
        {
            "context_window": numbers,
            "max_tokens": numbers,
            "capabilities": st.none() | words,
            "supports_tools": st.none() | flags,
        }
    ),
    parent=st.fixed_dictionaries(
        {
            "context_window": st.integers(0, 50),
            "max_tokens": numbers,
            "capabilities": words,
            "supports_tools": flags,
        }
    ),
)
def test_a_child_never_shows_more_than_its_parent(own: dict[str, Any], parent: dict[str, Any]) -> None:
    base = model(name="base", **parent)
    shown = inherit(owned(**own), base)

    assert shown.context_window <= base.context_window
    assert (shown.max_tokens or 0) <= (base.max_tokens or 0)
    assert set(shown.capabilities) <= set(base.capabilities)
    assert shown.supports_tools <= base.supports_tools


OUT_OF_BOUNDS: list[tuple[str, Any, str]] = [
    ("display_name", "", "display_name has 0 characters: must have 1 to 200"),
    ("display_name", "x" * 201, "display_name has 201 characters: must have 1 to 200"),
    ("context_window", 0, "context_window is 0: must be a whole number from 1 to 2000000"),
    ("context_window", 2_000_001, "context_window is 2000001: must be a whole number from 1 to 2000000"),
    ("max_tokens_per_request", 0, "max_tokens_per_request is 0: must be a whole number from 1 to 200000"),
    ("max_tokens_per_request", 200_001, "max_tokens_per_request is 200001: must be"),
    ("metadata", {"a": "x" * 16_384}, "metadata has 16392 bytes: must have at most 16384"),
    ("metadata", {"a": 2**53 + 1}, "metadata: the integer 9007199254740993 is beyond 2^53"),
    ("metadata", {"a": float("nan")}, "metadata: nan is not a JSON number"),
    ("metadata", {"a": "\ud800"}, "metadata: is not valid Unicode"),
    ("metadata", [], "metadata: must be a JSON object"),
    ("system_prompt", "x" * 100_001, "system_prompt has 100001 characters: must have 0 to 100000"),
    ("system_prompt", "\ud800", "system_prompt: is not valid Unicode"),
    ("cost_per_1k_tokens", -1, "cost_per_1k_tokens is -1: must be a finite number, 0 or more"),
    ("enabled", None, "enabled is None: must be true or false"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), OUT_OF_BOUNDS, ids=lambda value: str(value)[:30])
def test_a_violation_names_field_value_and_bound(field: str, value: object, sentence: str) -> None:
    with pytest.raises(InvalidValueError, match="^" + re.escape(f"model mine: {sentence}")):
        owned(**{field: value})


def test_the_bounds_themselves_are_inside() -> None:
    assert owned(
        display_name="x" * 200,
        context_window=2_000_000,
        max_tokens_per_request=200_000,
        metadata={"a": "x" * 16_376},
        system_prompt="x" * 100_000,
    )


def test_every_claim_is_inherited() -> None:
    assert set(CLAIMS) < set(INHERITED) < set(Model.__dataclass_fields__)
