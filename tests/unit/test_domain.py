from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice.domain.principal import Organization
from modelservice.domain.values import is_model_name
from modelservice.errors import InvalidValueError
from tests.support.models import model

ALLOWED = "abzABZ019._:@/-"


@given(st.text(alphabet=[*ALLOWED, " ", "%", "é", "\n", "\0", "\\", "?", "#"], max_size=20))
def test_a_name_is_what_its_rule_says(text: str) -> None:
    # The rule, as the issue tells it.
    segments = text.split("/")
    expected = (
        1 <= len(text) <= 256
        and all(character in ALLOWED for character in text)
        and not {"", ".", ".."} & set(segments)
    )

    assert expected == is_model_name(text)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("a" * 256, True),
        ("a" * 257, False),
        ("550e8400-e29b-41d4-a716-446655440000", False),
        ("550E8400-E29B-41D4-A716-446655440000", False),
        ("550e8400-e29b-41d4-a716-44665544000", True),
        ("x/550e8400-e29b-41d4-a716-446655440000", True),
        ("...", True),
        ("a/./b", False),
        ("gpt-4o\n", False),
    ],
)
def test_names_at_the_edge(name: str, *, good: bool) -> None:
    assert good == is_model_name(name)


WRONG: list[tuple[str, Any, str]] = [
    ("name", "a b", "model name 'a b': must be 1-256"),
    ("display_name", "", "model m: display_name has 0 characters: must have 1 to 1000"),
    ("display_name", 5, "model m: display_name is 5: must be a string"),
    ("display_name", "a\0b", "model m: display_name: must not contain NUL"),
    ("description", "\ud800", "model m: description: is not valid Unicode"),
    ("provider", "", "model m: provider has 0 characters"),
    ("context_window", -1, "model m: context_window is -1: must be a whole number from 0 to 4294967295"),
    ("context_window", 2**32, "model m: context_window is 4294967296"),
    ("context_window", True, "model m: context_window is True"),
    ("context_window", None, "model m: context_window is None"),
    ("max_tokens", 1.5, "model m: max_tokens is 1.5"),
    ("cost_per_1k_tokens", -0.1, "model m: cost_per_1k_tokens is -0.1: must be a finite number, 0 or more"),
    ("cost_per_1k_tokens", float("nan"), "model m: cost_per_1k_tokens is nan"),
    ("cost_per_1k_tokens", float("inf"), "model m: cost_per_1k_tokens is inf"),
    ("cost_per_1k_tokens", "0.1", "model m: cost_per_1k_tokens is '0.1'"),
    ("cost_per_1k_tokens", True, "model m: cost_per_1k_tokens is True"),
    ("enabled", "yes", "model m: enabled is 'yes': must be true or false"),
    ("supports_tools", 1, "model m: supports_tools is 1: must be true or false"),
    ("capabilities", ("Text",), "model m: capabilities: 'Text': must be lower-case words"),
    ("capabilities", ("a", "a"), "model m: capabilities: a label appears twice"),
    ("compliance", (5,), "model m: compliance: 5: must be lower-case words"),
    ("metadata", [], "model m: metadata: must be a JSON object"),
    ("metadata", {"a": float("nan")}, "model m: metadata: nan is not a JSON number"),
    ("metadata", {"a": [float("-inf")]}, "model m: metadata: -inf is not a JSON number"),
    ("metadata", {"a": 2**53 + 1}, "model m: metadata: the integer 9007199254740993 is beyond 2^53"),
    ("metadata", {"a": "\udfff"}, "model m: metadata: is not valid Unicode"),
    ("metadata", {5: 1}, "model m: metadata: the key 5 is not a string"),
    ("metadata", {"a": {1, 2}}, "model m: metadata: {1, 2} is not a JSON value"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), WRONG)
def test_a_value_out_of_bounds_names_model_field_and_bound(field: str, value: Any, sentence: str) -> None:
    with pytest.raises(InvalidValueError, match="^" + re.escape(sentence)):
        model(**{field: value})


def test_metadata_may_be_30_levels_deep_and_no_more() -> None:
    def nested(levels: int) -> dict[str, Any]:
        return {} if levels == 1 else {"a": nested(levels - 1)}

    assert model(metadata=nested(30))
    with pytest.raises(InvalidValueError, match="deeper than 30 levels"):
        model(metadata=nested(31))


@pytest.mark.parametrize(
    ("organization_id", "good"),
    [
        ("acme", True),
        ("organization-live-1.x_Y", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("", False),
        ("a b", False),
    ],
)
def test_an_organizations_id_is_its_providers(organization_id: str, *, good: bool) -> None:
    if good:
        assert organization_id == Organization(organization_id, 0).id
    else:
        with pytest.raises(InvalidValueError, match="must be 1-128 letters"):
            Organization(organization_id, 0)
