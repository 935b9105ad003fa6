"""What others' catalogues say, in our own words: nothing invented, nothing lost without a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelservice.manage.catalogue_file import GUESSES, InvalidCatalogueError, checked
from modelservice.manage.importing.account import Conversion, Selection
from modelservice.manage.importing.formats import read
from modelservice.manage.importing.reading import GUESSED, LEFT_OUT, UNKNOWN
from modelservice.manage.importing.summary import summary
from modelservice.manage.models import create_model
from modelservice.manage.organizations import create_organization
from modelservice.manage.outcome import Outcome, Shadowed
from modelservice.manage.system_catalogue import import_catalogue, load_documented
from tests.support.catalogues import WHOLE_FILES, litellm_content, litellm_file, whole_file

GOOD = {"litellm_provider": "acme", "mode": "chat"}
Converted = Callable[..., Conversion]


@pytest.fixture
def litellm(tmp_path: Path) -> Converted:
    """Reads a file of LiteLLM's with some content."""

    def converted(content: dict[str, Any] | str, **selection: tuple[str, ...]) -> Conversion:
        done = read(litellm_file(tmp_path, content), "litellm", Selection(**selection))
        # Whatever was read can be imported.
        checked(done.entries, guesses=True)
        return done

    return converted


def found(conversion: Conversion, *what: str) -> list[tuple[str, str, str]]:
    """Returns to what something happened: entry, field and reason."""
    return [(item.model, item.field, item.reason) for item in conversion.findings if item.what in what]


def of(conversion: Conversion, field: str) -> list[tuple[str, str]]:
    """Returns what happened to a field: what, and why."""
    return [(item.what, item.reason) for item in conversion.findings if item.field == field]


def test_what_litellm_states_is_taken(litellm: Converted) -> None:
    content = {
        "openai/gpt-9@2026": {
            "litellm_provider": "openai",
            "mode": "chat",
            "input_cost_per_token": 1.5e-07,
            "output_cost_per_token": 6e-07,
            "max_input_tokens": 10_485_760,
            "max_output_tokens": 1e6,
            "max_tokens": 5,
            "supports_vision": True,
            "supports_reasoning": True,
            "supports_function_calling": True,
            "supports_native_streaming": False,
            "source": "https://example.com/prices",
            "deprecation_date": "2027-01-31",
            "supports_prompt_caching": True,
            "soc2": True,
        }
    }

    done = litellm(content)

    assert [
        {
            "name": "openai/gpt-9@2026",
            "provider": "openai",
            "guesses": {"display_name": "openai/gpt-9@2026"},
            "context_window": 10_485_760,
            "max_tokens_per_request": 1_000_000,
            "cost_per_1k_tokens": 0.0006,
            "capabilities": {"has": ["text-generation", "reasoning", "multimodal"]},
            "supports_tools": True,
            "supports_streaming": False,
            "metadata": {
                "input_cost_per_token": 1.5e-07,
                "output_cost_per_token": 6e-07,
                "mode": "chat",
                "source_url": "https://example.com/prices",
                "deprecation_date": "2027-01-31",
            },
        }
    ] == done.entries
    assert [("openai/gpt-9@2026", "display_name", "missing: the id is used")] == found(done, GUESSED, LEFT_OUT, UNKNOWN)
    assert {"supports_prompt_caching": 1, "soc2": 1} == done.without_place


def test_what_litellm_does_not_state_is_not_invented(litellm: Converted) -> None:
    (entry,) = litellm({"m": {"litellm_provider": "acme"}}).entries

    assert {"name": "m", "provider": "acme", "guesses": {"display_name": "m"}} == entry


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ((1.5e-07, 1e-07), 0.00015),
        ((1.1e-06, 3.3e-07), 0.0011),
        ((3.3e-07, 1.4e-06), 0.0014),
        ((0.0, 0), 0),
        ((2e-06, None), 0.002),
        ((5, 1), 5000),
        ((None, None), None),
        # Charged otherwise: its output price is no price of the model.
        ((None, 0.0), None),
        ((None, 7.5e-06), None),
        # The higher of both is not known when one of them is nonsense.
        ((1e-06, -1), None),
        ((float("nan"), 1e-06), None),
    ],
)
def test_the_cost_is_the_higher_price_without_noise(
    litellm: Converted, prices: tuple[float | None, float | None], cost: float | None
) -> None:
    given = zip(("input_cost_per_token", "output_cost_per_token"), prices, strict=True)
    (entry,) = litellm({"m": GOOD | {name: price for name, price in given if price is not None}}).entries

    assert cost == entry.get("cost_per_1k_tokens")
    assert "0000000" not in repr(entry.get("cost_per_1k_tokens"))


@pytest.mark.parametrize(
    ("stated", "window", "limit", "guessed"),
    [
        ({"max_input_tokens": 10, "max_output_tokens": 5, "max_tokens": 7}, 10, 5, False),
        ({"max_input_tokens": 10}, 10, None, False),
        ({"max_output_tokens": 5, "max_tokens": 5}, None, 5, False),
        ({"max_input_tokens": 10, "max_tokens": 7}, 10, 7, True),
        ({"max_tokens": 7}, None, 7, True),
        # Where there is no output limit, LiteLLM's `max_tokens` repeats the input limit.
        ({"max_input_tokens": 10, "max_tokens": 10}, 10, None, False),
        ({"max_input_tokens": "?", "max_tokens": 10}, None, None, False),
        ({"max_input_tokens": 10, "max_output_tokens": "?", "max_tokens": 7}, 10, None, False),
        # What is unknown is absent, never zero.
        ({"max_input_tokens": 0, "max_output_tokens": 0, "max_tokens": 0}, None, None, False),
    ],
)
def test_no_limit_is_made_of_another(
    litellm: Converted, stated: dict[str, Any], window: int | None, limit: int | None, *, guessed: bool
) -> None:
    done = litellm({"m": GOOD | stated})
    (entry,) = done.entries

    part = entry[GUESSES] if guessed else entry
    assert (window, limit) == (entry.get("context_window"), part.get("max_tokens_per_request"))
    assert {"display_name", *(["max_tokens_per_request"] if guessed else [])} == entry[GUESSES].keys()
    assert "max_tokens" not in entry
    assert guessed == any(what == GUESSED for what, _ in of(done, "max_tokens_per_request"))


@pytest.mark.parametrize(
    ("mode", "capabilities"),
    [("responses", ["text-generation"]), ("embedding", ["embedding"]), ("image_generation", ["image-generation"])],
)
def test_a_mode_is_a_capability(litellm: Converted, mode: str, capabilities: list[str]) -> None:
    (entry,) = litellm({"m": GOOD | {"mode": mode}}).entries

    assert ({"has": capabilities}, mode) == (entry["capabilities"], entry["metadata"]["mode"])


@pytest.mark.parametrize(
    ("said", "capabilities"),
    [
        ({}, None),
        ({"supports_vision": None}, None),
        ({"supports_vision": "no"}, None),
        ({"supports_vision": False}, {"lacks": ["multimodal"]}),
        ({"supports_reasoning": False, "supports_vision": False}, {"lacks": ["reasoning", "multimodal"]}),
        ({"supports_reasoning": True, "supports_vision": False}, {"has": ["reasoning"], "lacks": ["multimodal"]}),
        ({"mode": "chat", "supports_reasoning": False}, {"has": ["text-generation"], "lacks": ["reasoning"]}),
        # A mode by the name of a capability.
        ({"mode": "multimodal", "supports_vision": False}, {"has": ["multimodal"]}),
        ({"mode": "multimodal", "supports_vision": True}, {"has": ["multimodal"]}),
    ],
)
def test_false_states_absence_and_silence_states_nothing(
    litellm: Converted, said: dict[str, Any], capabilities: dict[str, list[str]] | None
) -> None:
    (entry,) = litellm({"m": {"litellm_provider": "acme", **said}}).entries

    assert capabilities == entry.get("capabilities")


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("max_input_tokens", 2**32, "context_window"),
        ("max_input_tokens", -1, "context_window"),
        ("max_input_tokens", 1.5, "context_window"),
        ("max_input_tokens", "128000", "context_window"),
        ("max_input_tokens", True, "context_window"),
        ("max_input_tokens", 1e300, "context_window"),
        ("max_output_tokens", float("inf"), "max_tokens_per_request"),
        ("max_tokens", [], "max_tokens_per_request"),
        ("input_cost_per_token", float("inf"), "cost_per_1k_tokens"),
        ("input_cost_per_token", -1e-07, "cost_per_1k_tokens"),
        ("input_cost_per_token", "1e-07", "cost_per_1k_tokens"),
        ("input_cost_per_token", True, "cost_per_1k_tokens"),
        ("input_cost_per_token", 10**19, "cost_per_1k_tokens"),
        ("output_cost_per_token", {}, "cost_per_1k_tokens"),
        ("mode", "Chat Mode", "capabilities"),
        ("mode", {"a": [1] * 1000}, "capabilities"),
        ("supports_vision", "yes", "capabilities"),
        ("supports_function_calling", 1, "supports_tools"),
        ("supports_native_streaming", "true", "supports_streaming"),
        ("source", "see the web", "metadata"),
        ("source", "https://" + "x" * 2000, "metadata"),
        ("source", "https://\ud800", "metadata"),
        ("deprecation_date", "soon", "metadata"),
        ("deprecation_date", "2026-02-30", "metadata"),
        ("deprecation_date", "20260101", "metadata"),
    ],
)
def test_a_wrong_value_is_left_out_alone_and_said(litellm: Converted, key: str, value: object, field: str) -> None:
    done = litellm({"m": {**GOOD, key: value}, "n": GOOD})

    assert ["m", "n"] == [entry["name"] for entry in done.entries]
    ((model, where, reason),) = found(done, LEFT_OUT)
    assert ("m", field) == (model, where)
    assert reason.startswith(f"{key} must be ")
    assert field not in done.entries[0] or done.entries[0][field] == done.entries[1][field]
    (shown,) = [item.value for item in done.findings if item.what == LEFT_OUT]
    assert shown
    assert len(shown) < 400


def test_a_number_of_any_length_is_left_out_alone(litellm: Converted) -> None:
    done = litellm('{"m": {"litellm_provider": "p", "max_input_tokens": ' + "9" * 5000 + "}}")

    assert ["context_window"] == [field for _, field, _ in found(done, LEFT_OUT)]


@pytest.mark.parametrize(
    ("name", "said", "reason"),
    [
        ("sample_spec", GOOD, "the file's own example, no model"),
        ("bedrock/*/x", GOOD, "its name has a '*': it matches many models"),
        ("a b", GOOD, "its name must be 1-256 letters"),
        ("a~b", GOOD, "its name must be 1-256 letters"),
        ("", GOOD, "its name must be 1-256 letters"),
        ("a" * 257, GOOD, "its name must be 1-256 letters"),
        ("a//b", GOOD, "its name must be 1-256 letters"),
        ("\ud800", GOOD, "its name must be 1-256 letters"),
        ("550e8400-e29b-41d4-a716-446655440000", GOOD, "its name must be 1-256 letters"),
        ("m", [], "must be an object"),
        ("m", None, "must be an object"),
        ("m", "text", "must be an object"),
        ("m", {"mode": "chat"}, "names no provider"),
        ("m", {"litellm_provider": 5}, "its provider must be a line of 1 to 256 characters"),
        ("m", {"litellm_provider": ""}, "its provider must be a line of 1 to 256 characters"),
    ],
)
def test_what_cannot_be_a_model_is_left_out_with_the_reason(
    litellm: Converted, name: str, said: object, reason: str
) -> None:
    done = litellm({name: said, "good": GOOD})

    assert (2, ["good"]) == (done.total, [entry["name"] for entry in done.entries])
    ((model, field, why),) = found(done, LEFT_OUT)
    assert (name, "") == (model, field)
    assert why.startswith(reason)


def test_of_what_stands_there_twice_the_last_counts_and_is_said(litellm: Converted) -> None:
    one = '"m": {"litellm_provider": "p", "max_input_tokens": 1}'
    two = '"m": {"litellm_provider": "p", "max_input_tokens": 2, "max_input_tokens": 3}'

    done = litellm(f"{{{one}, {two}}}")

    assert (2, [3]) == (done.total, [entry["context_window"] for entry in done.entries])
    assert [("m", "", "appears again: the last one counts")] == found(done, LEFT_OUT)
    assert [(GUESSED, "max_input_tokens appears again: the last one counts")] == of(done, "context_window")


@pytest.mark.parametrize("form", ["litellm", "models.dev"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "{",
        "[]",
        "null",
        "5",
        '"x"',
        "{}",
        '{"error": {"message": "not found"}}',
        '{"a": 1, "b": [], "c": null}',
        '{"data": {"models": []}}',
        '{"a": ' + '{"a":' * 100_000,
        "\ufeff{}",
        "not JSON",
        "models: []",
    ],
)
def test_a_file_of_another_shape_is_one_line(tmp_path: Path, form: str, text: str) -> None:
    with pytest.raises(InvalidCatalogueError) as caught:
        read(litellm_file(tmp_path, text), form, Selection())

    assert 1 == len(str(caught.value).splitlines())
    assert str(caught.value).startswith(f"{tmp_path / 'litellm.json'}: ")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe{}")
    for path in (tmp_path / "binary", tmp_path / "none", tmp_path):
        for form in ("litellm", "models.dev"):
            with pytest.raises(InvalidCatalogueError) as caught:
                read(path, form, Selection())
            assert 1 == len(str(caught.value).splitlines())


def test_providers_and_patterns_select(litellm: Converted) -> None:
    content = {"a/1": GOOD, "a/2/x": GOOD, "b": GOOD | {"litellm_provider": "globex"}, "c*": GOOD}

    def selected(**selection: tuple[str, ...]) -> tuple[list[str], int, int]:
        done = litellm(content, **selection)
        return [entry["name"] for entry in done.entries], done.not_selected, len(found(done, LEFT_OUT))

    assert (["a/1", "a/2/x", "b"], 0, 1) == selected()
    assert (["b"], 3, 0) == selected(providers=("globex",))
    assert (["a/1", "a/2/x"], 2, 0) == selected(patterns=("a/*",))
    assert (["a/1", "b"], 2, 0) == selected(patterns=("a/?", "b"))
    assert (["a/1", "a/2/x"], 2, 0) == selected(providers=("acme",), patterns=("a*",))
    assert (["a/1", "a/2/x", "b"], 0, 1) == selected(providers=("acme", "globex"))


@pytest.mark.parametrize(
    ("selection", "line"),
    [
        ({"providers": ("acme", "acmee")}, "no entry has the provider acmee"),
        ({"patterns": ("x*", "m")}, "no entry fits x*"),
        ({"providers": ("globex",), "patterns": ("m",)}, "holds no model in the format litellm: nothing is selected"),
        (
            {"patterns": ("c[*]",)},
            "holds no model in the format litellm: its name has a '*': it matches many models",
        ),
    ],
)
def test_a_selection_of_nothing_is_an_error(
    litellm: Converted, tmp_path: Path, selection: dict[str, tuple[str, ...]], line: str
) -> None:
    content = {"m": GOOD, "n": GOOD | {"litellm_provider": "globex"}, "c*": GOOD}

    with pytest.raises(InvalidCatalogueError) as caught:
        litellm(content, **selection)

    assert f"{tmp_path / 'litellm.json'}: {line}" == str(caught.value)


def imported(url: str, conversion: Conversion, source: str = "litellm", **options: bool) -> Outcome:
    return import_catalogue(url, "test", conversion.entries, source=source, guesses=True, leave_held=True, **options)


def test_every_entry_is_accounted_for(url: str, litellm: Converted) -> None:
    load_documented(url, "test")
    content = litellm_content(400)
    done = litellm(content)

    made = summary(done, imported(url, done))

    counts = made.counts
    parts = ("not_selected", "left_out", "added", "changed", "restored", "unchanged")
    # The documented catalogue states everything about its four models that the file has, too.
    assert (400, 6, 390, 0, 4) == tuple(counts[name] for name in ("entries", *parts[1:4], "unchanged"))
    assert len(content) == counts["entries"] == sum(counts[name] for name in parts)
    assert 400 == sum(row["entries"] for row in made.providers)
    for row in made.fields:
        assert 394 == row["stated"] + row["guessed"] + row["unknown"]
    models = [said for name, said in content.items() if "*" not in name and name != "sample_spec"]
    unknown = {row["field"]: row["unknown"] for row in made.fields}
    models = [said for said in models if "litellm_provider" in said]
    assert sum("input_cost_per_token" not in said for said in models) == unknown["cost_per_1k_tokens"]
    assert sum("max_input_tokens" not in said for said in models) == unknown["context_window"]
    assert len(made.findings) == sum(row["entries"] for row in made.reasons)


def test_importing_again_changes_nothing(url: str, litellm: Converted) -> None:
    load_documented(url, "test")
    done = litellm(litellm_content(200))
    first = imported(url, done)

    again = imported(url, done, prune=True)

    assert again.is_empty
    assert 194 == len(again.unchanged)
    assert first.shadowed == again.shadowed
    assert {"gpt-3.5-turbo", "gpt-4-turbo", "gpt-4o", "gpt-4o-mini"} == {item.model for item in again.shadowed}
    assert {"documented"} == {item.source for item in again.shadowed}
    # A guess is no statement that another source could shadow.
    assert "display_name" not in {item.field for item in again.shadowed}


def test_each_entry_is_counted_once_whatever_becomes_of_it(litellm: Converted) -> None:
    fates = ("new", "other", "back", "same", "said", "gone", "held")
    done = litellm(dict.fromkeys(fates, GOOD) | {"a b": GOOD})
    outcome = Outcome(
        added={"new": {}},
        # With pruning: a value that only another source states now.
        changed={"other": {}, "not in the file": {}},
        restored={"back": {}},
        removed={"pruned": {}},
        disabled={"parent": {}},
        restated=["said", "gone", "nor this"],
        unchanged=["same"],
        # An administrator deleted it.
        deleted=["gone"],
        shadowed=[Shadowed("said", "provider", "acme", "globex", "manual")],
        held={"held": "org"},
    )

    made = summary(done, outcome)

    assert {
        "entries": 8,
        "not_selected": 0,
        "left_out": 2,
        "added": 1,
        "changed": 1,
        "restored": 1,
        "unchanged": 3,
        "removed": 1,
        "disabled": 1,
        "withdrawn": 2,
        "values_shadowed": 1,
    } == made.counts
    assert [
        {"provider": "acme", "entries": 8, "added": 1, "changed": 1, "restored": 1, "unchanged": 3, "left_out": 2}
    ] == made.providers


def test_a_value_counts_as_stated_only_if_none_of_it_is_guessed(litellm: Converted) -> None:
    content = {"m": GOOD | {"max_output_tokens": 5}, "n": GOOD | {"max_tokens": 7}, "o": GOOD}

    made = summary(litellm(content), Outcome())

    fields = {row.pop("field"): row for row in made.fields}
    assert {"stated": 1, "guessed": 1, "unknown": 1} == fields["max_tokens_per_request"]
    assert {"stated": 0, "guessed": 3, "unknown": 0} == fields["display_name"]
    assert {"stated": 3, "guessed": 0, "unknown": 0} == fields["capabilities"]


def test_a_name_that_an_organization_has_is_left_out_alone(url: str, litellm: Converted) -> None:
    load_documented(url, "test")
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "gpt-4o", {"name": "mine", "display_name": "M"}, prompt_quota=1000)
    done = litellm({"mine": GOOD, "other": GOOD})

    made = summary(done, imported(url, done))

    assert (2, 1, 1) == tuple(made.counts[name] for name in ("entries", "left_out", "added"))
    assert ["an organization has a model of its name"] == [
        item.reason for item in made.findings if item.what == LEFT_OUT
    ]
    with pytest.raises(InvalidCatalogueError, match="the organization acme has a model of this name"):
        import_catalogue(url, "test", done.entries, guesses=True)


@pytest.mark.parametrize("which", WHOLE_FILES)
def test_what_a_whole_file_does_not_state_is_unknown(tmp_path: Path, which: str) -> None:
    file = whole_file(which, tmp_path)
    content = json.loads(file.read_text())
    done = read(file, "litellm", Selection())
    models = {name: said for name, said in content.items() if "*" not in name and "litellm_provider" in said}
    del models["sample_spec"]

    assert list(models) == [entry["name"] for entry in done.entries]
    assert [name for name, said in models.items() if "input_cost_per_token" not in said] == [
        entry["name"] for entry in done.entries if "cost_per_1k_tokens" not in entry
    ]
    assert [name for name, said in models.items() if not said.get("max_input_tokens")] == [
        entry["name"] for entry in done.entries if "context_window" not in entry
    ]
    never = {"compliance", "encryption_supported", "pii_redaction_supported", "max_tokens", "credit_multiplier"}
    assert [] == [entry for entry in done.entries if (entry.keys() | entry[GUESSES].keys()) & never]
    # What it states and what is guessed are apart.
    assert [] == [entry for entry in done.entries if entry.keys() & entry[GUESSES].keys()]
