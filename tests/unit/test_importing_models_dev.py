"""models.dev's catalogue, as its api.json and as a checkout of its repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelservice.manage.catalogue_file import checked
from modelservice.manage.importing.account import Conversion, Selection
from modelservice.manage.importing.formats import read
from modelservice.manage.importing.reading import GUESSED, LEFT_OUT, UNKNOWN

MODEL = {
    "id": "gpt-9",
    "name": "GPT-9",
    "family": "gpt",
    "attachment": True,
    "reasoning": True,
    "tool_call": True,
    "release_date": "2026-01-01",
    "modalities": {"input": ["text", "image"], "output": ["text"]},
    "limit": {"context": 400_000, "input": 272_000, "output": 128_000},
    "cost": {"input": 1.1, "output": 3.3, "cache_read": 0.1},
    "status": "beta",
}
ENTRY = {
    "name": "openai/gpt-9",
    "provider": "openai",
    "display_name": "GPT-9",
    "context_window": 400_000,
    "max_tokens_per_request": 128_000,
    "cost_per_1k_tokens": 0.0033,
    "capabilities": ["text-generation", "reasoning", "multimodal"],
    "supports_tools": True,
    "metadata": {
        "input_cost_per_1m_tokens": 1.1,
        "output_cost_per_1m_tokens": 3.3,
        "source_url": "https://example.com/models",
        "status": "beta",
    },
}


def provider(**models: Any) -> dict[str, Any]:
    return {"id": "openai", "name": "OpenAI", "doc": "https://example.com/models", "models": models}


def converted(folder: Path, content: dict[str, Any]) -> Conversion:
    file = folder / "api.json"
    file.write_text(json.dumps(content))
    done = read(file, "models.dev", Selection())
    checked(done.entries)
    return done


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_what_models_dev_states_is_taken(tmp_path: Path) -> None:
    done = converted(tmp_path, {"openai": provider(**{"gpt-9": MODEL})})

    assert [ENTRY] == done.entries
    assert [("openai/gpt-9", GUESSED, "capabilities", "from modalities, family and id")] == [
        (item.model, item.what, item.field, item.reason) for item in done.findings
    ]
    assert {"id", "attachment", "release_date"} == done.without_place.keys()


@pytest.mark.parametrize(
    ("model", "capabilities"),
    [
        ({"modalities": {"input": ["text"], "output": ["image", "text"]}}, ["image-generation", "text-generation"]),
        ({"modalities": {"input": ["audio"], "output": ["text"]}}, None),
        ({"modalities": {"input": ["text"], "output": ["text"]}, "family": "text-embedding"}, ["embedding"]),
        ({"modalities": {"input": ["image"], "output": ["video"]}}, ["video-generation", "multimodal"]),
        ({"modalities": "text", "reasoning": True}, ["reasoning"]),
        ({"modalities": {"input": ["text", "text"], "output": ["text"]}}, None),
        ({}, None),
    ],
)
def test_capabilities_come_of_what_goes_in_and_out(
    tmp_path: Path, model: dict[str, Any], capabilities: list[str] | None
) -> None:
    (entry,) = converted(tmp_path, {"p": {"models": {"m": model}}}).entries

    assert capabilities == entry.get("capabilities")


def test_what_models_dev_does_not_state_is_not_invented(tmp_path: Path) -> None:
    done = converted(tmp_path, {"p": {"models": {"m": {"limit": {"context": 0, "output": 0}}}}})

    assert [{"name": "p/m", "provider": "p", "display_name": "p/m"}] == done.entries
    assert {(GUESSED, "display_name"), (UNKNOWN, "context_window"), (UNKNOWN, "cost_per_1k_tokens")} == {
        (item.what, item.field) for item in done.findings
    }


def test_every_model_of_every_provider_is_accounted_for(tmp_path: Path) -> None:
    content = {
        "openai": provider(**{"gpt-9": MODEL, "~latest": MODEL, "x*": MODEL, "n": []}),
        "a": {"models": {"b/c": MODEL}},
        "a/b": {"models": {"c": MODEL}},
        "empty": {"models": {}},
        "none": {"name": "None"},
        "text": "x",
    }

    done = converted(tmp_path, content)

    assert ["openai/gpt-9", "a/b/c"] == [entry["name"] for entry in done.entries]
    left_out = {item.model: item.reason for item in done.findings if item.what == LEFT_OUT}
    assert {"openai/~latest", "openai/x*", "openai/n", "a/b/c", "none", "text"} == left_out.keys()
    assert "an entry before it has the same id" == left_out["a/b/c"]
    assert "a provider without an object `models`" == left_out["none"] == left_out["text"]
    assert done.total == len(done.entries) + len(left_out)


def test_wrong_values_are_left_out_alone(tmp_path: Path) -> None:
    wrong = {"limit": {"context": "many", "output": -1}, "cost": [], "name": 5, "tool_call": "yes", "status": {}}
    done = converted(tmp_path, {"openai": {"doc": 5, "models": {"gpt-9": MODEL | wrong}}})

    (entry,) = done.entries
    assert ENTRY["capabilities"] == entry.pop("capabilities")
    assert {"name": "openai/gpt-9", "provider": "openai", "display_name": "openai/gpt-9"} == entry
    assert {"name", "limit.context", "limit.output", "cost", "tool_call", "provider.doc", "status"} == {
        item.reason.split()[0] for item in done.findings if item.what == LEFT_OUT
    }


def test_a_checkout_is_its_api_json(tmp_path: Path) -> None:
    base = """
        name = "GPT-9"
        family = "gpt"
        license = "MIT"
        reasoning = true
        tool_call = true
        [limit]
        context = 1_000
        input = 272_000
        output = 128_000
        [modalities]
        input = ["text", "image"]
        output = ["text"]
    """
    own = """
        base_model = "openai/gpt-9"
        base_model_omit = ["limit.input", "cost.tiers", "nothing.at.all"]
        status = "beta"
        [limit]
        context = 400_000
        [cost]
        input = 1.1
        output = 3.3
    """
    write(
        tmp_path,
        {
            "models/openai/gpt-9.toml": base,
            "providers/openai/provider.toml": 'name = "OpenAI"\ndoc = "https://example.com/models"',
            "providers/openai/models/gpt-9.toml": own,
            "providers/openai/models/sub/gpt:9.toml": own,
            "providers/openai/models/lost.toml": 'base_model = "openai/none"',
            "providers/openai/models/out.toml": 'base_model = "../providers/openai/provider"',
            "providers/openai/models/bad.toml": "name = ",
            "providers/other/provider.toml": "name =",
        },
    )
    (tmp_path / "providers/openai/models/link.toml").symlink_to("nowhere.toml")

    for path in (tmp_path, tmp_path / "providers"):
        done = read(path, "models.dev", Selection())

        assert [ENTRY, ENTRY | {"name": "openai/sub/gpt:9"}] == done.entries
        assert {
            "openai/lost": "its base_model cannot be read",
            "openai/out": "its base_model cannot be read",
            "openai/bad": "its file is no TOML",
            "openai/link": "its file cannot be read",
        } == {item.model: item.reason for item in done.findings if item.what == LEFT_OUT}
        assert "license" not in done.without_place
