"""The published schema of catalogue files says what an import accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from modelservice.manage.catalogue_file import InvalidCatalogueError, checked, read_file
from tests.support.harness import ROOT

MANAGE: Final = ROOT / "src" / "modelservice" / "manage"
SCHEMA: Final = jsonschema.Draft202012Validator(json.loads((MANAGE / "catalogue.schema.json").read_text()))
A_UUID: Final = "550e8400-e29b-41d4-a716-446655440000"
REVISION: Final = "7-0123456789ab"
ENTRY: Final = {"name": "a", "display_name": "A", "provider": "p"}

numbers = st.integers(-1, 2**32) | st.floats(allow_nan=False) | st.booleans() | st.none() | st.just("5")
texts = st.none() | st.text(max_size=3) | st.just("x" * 257) | st.integers(0, 3)
words = st.lists(st.sampled_from(["a", "a-b", "A", "", "a--b"]), max_size=3) | st.none() | st.just("a")
labels = words | st.fixed_dictionaries(
    {}, optional={"has": words, "lacks": words, "only": st.booleans() | st.none() | st.just(1), "other": st.just([])}
)


def are_accepted(entries: list[dict[str, Any]], *, are_exported: bool = False) -> bool:
    try:
        checked(entries, ("name",)) if are_exported else checked(entries)
    except InvalidCatalogueError:
        return False
    return True


def is_accepted(file: Path) -> bool:
    try:
        content = read_file(file)
    except InvalidCatalogueError:
        return False
    return are_accepted(content.entries, are_exported=content.revision is not None)


@given(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "a b", "a/b", ""]), "display_name": texts, "provider": texts},
        optional={
            "id": st.sampled_from([A_UUID, A_UUID.upper(), "x", 5, None]),
            "context_window": numbers,
            "max_tokens": numbers,
            "cost_per_1k_tokens": numbers,
            "supports_tools": st.booleans() | st.none() | st.integers(0, 1),
            "permission_id": texts,
            "nonsense": st.just(1),
        },
    )
)
def test_the_published_schema_says_what_is_checked(drawn: dict[str, Any]) -> None:
    # What a schema cannot say: that 5.0 is not how a whole number is written.
    assume(not any(isinstance(value, float) and value.is_integer() for value in drawn.values()))

    assert are_accepted([drawn]) == SCHEMA.is_valid({"models": [drawn]})


@given(labels, st.sampled_from([{}, {"a": 1}, [], None, 5]))
def test_the_published_schema_says_how_labels_and_metadata_are_written(capabilities: Any, metadata: Any) -> None:
    if isinstance(capabilities, dict):
        # What a schema cannot say, either.
        assume(not {*(capabilities.get("has") or ())} & {*(capabilities.get("lacks") or ())})
    drawn = {**ENTRY, "capabilities": capabilities, "metadata": metadata}

    assert are_accepted([drawn]) == SCHEMA.is_valid({"models": [drawn]})


@pytest.mark.parametrize(
    ("content", "is_valid"),
    [
        ({"models": []}, True),
        ({"models": [ENTRY]}, True),
        ({"models": [{"name": "a"}]}, False),
        ({"revision": REVISION, "models": [{"name": "a"}]}, True),
        ({"revision": REVISION, "models": [{"provider": "p"}]}, False),
        ({"revision": REVISION, "models": [{"name": "a", "max_tokens": None, "capabilities": None}]}, True),
        ({"revision": None, "models": [ENTRY]}, True),
        ({"revision": None, "models": [{"name": "a"}]}, False),
        ({"revision": 7, "models": [ENTRY]}, False),
        ({"revision": "7", "models": [ENTRY]}, False),
        ({"revision": REVISION}, False),
        ({"models": {}}, False),
        ({"models": [ENTRY], "other": 1}, False),
        ({"models": [{**ENTRY, "display_name": None}]}, False),
        ({"models": [{**ENTRY, "guesses": {}}]}, False),
    ],
)
def test_only_the_entries_of_an_export_may_leave_out_what_is_required(
    tmp_path: Path, content: dict[str, Any], *, is_valid: bool
) -> None:
    file = tmp_path / "catalogue.json"
    file.write_text(json.dumps(content))

    assert (is_valid, is_valid) == (SCHEMA.is_valid(content), is_accepted(file))


def test_the_documented_catalogue_is_valid() -> None:
    assert SCHEMA.is_valid(yaml.safe_load((MANAGE / "documented.yaml").read_text()))


def test_no_label_is_both_there_and_absent() -> None:
    with pytest.raises(InvalidCatalogueError, match="model a: capabilities: x: is in both has and lacks"):
        checked([{**ENTRY, "capabilities": {"has": ["x"], "lacks": ["x"]}}])
