"""models.dev's catalogue, as its api.json and as a checkout of its repository."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from modelservice.manage.catalogue_file import GUESSES, InvalidCatalogueError, checked
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
ENTRY: dict[str, Any] = {
    "name": "openai/gpt-9",
    "provider": "openai",
    "display_name": "GPT-9",
    "context_window": 400_000,
    "max_tokens_per_request": 128_000,
    "cost_per_1k_tokens": 0.0033,
    "capabilities": {"has": ["reasoning", "multimodal"]},
    "guesses": {"capabilities": {"has": ["text-generation"]}},
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
    checked(done.entries, guesses=True)
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
    ("model", "guessed", "stated"),
    [
        (
            {"modalities": {"input": ["text"], "output": ["image", "text"]}},
            ["image-generation", "text-generation"],
            {"lacks": ["multimodal"]},
        ),
        ({"modalities": {"input": ["audio"], "output": ["text"]}}, None, {"lacks": ["multimodal"]}),
        (
            {"modalities": {"input": ["text"], "output": ["text"]}, "family": "text-embedding"},
            ["embedding"],
            {"lacks": ["multimodal"]},
        ),
        (
            {"modalities": {"input": ["image"], "output": ["video"]}, "reasoning": False},
            ["video-generation"],
            {"has": ["multimodal"], "lacks": ["reasoning"]},
        ),
        ({"modalities": {"input": [], "output": ["text"]}}, None, {"lacks": ["multimodal"]}),
        ({"modalities": {"output": ["image"]}}, ["image-generation"], None),
        ({"modalities": {"input": None}, "reasoning": None}, None, None),
        ({"modalities": "text", "reasoning": True}, None, {"has": ["reasoning"]}),
        # Unusable, so silent.
        ({"modalities": {"input": ["text", "text"], "output": ["text"]}}, None, None),
        ({"reasoning": "no"}, None, None),
        ({}, None, None),
    ],
)
def test_what_goes_in_is_stated_and_what_for_is_guessed(
    tmp_path: Path, model: dict[str, Any], guessed: list[str] | None, stated: dict[str, list[str]] | None
) -> None:
    (entry,) = converted(tmp_path, {"p": {"models": {"m": {"name": "M", **model}}}}).entries

    assert stated == entry.get("capabilities")
    assert ({"capabilities": {"has": guessed}} if guessed else {}) == entry.get(GUESSES, {})


def test_what_models_dev_does_not_state_is_not_invented(tmp_path: Path) -> None:
    done = converted(tmp_path, {"p": {"models": {"m": {"limit": {"context": 0, "output": 0}}}}})

    assert [{"name": "p/m", "provider": "p", "guesses": {"display_name": "p/m"}}] == done.entries
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
    assert {"display_name": "openai/gpt-9", **ENTRY[GUESSES]} == entry.pop(GUESSES)
    assert {"name": "openai/gpt-9", "provider": "openai"} == entry
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
            "openai/bad": "its file is not TOML",
            "openai/link": "its file cannot be read",
        } == {item.model: item.reason for item in done.findings if item.what == LEFT_OUT}
        assert "license" not in done.without_place


OUTSIDE = 'name = "a secret of the machine"'


def left_out(path: Path) -> dict[str, str]:
    """Reads a checkout, which must publish nothing of what lies outside it, and returns what is left out."""
    done = read(path, "models.dev", Selection())
    assert "secret" not in str(done)
    assert ["p/good"] == [entry["name"] for entry in done.entries]
    return {item.model: item.reason for item in done.findings if item.what == LEFT_OUT}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout, with a secret beside it."""
    folder = tmp_path / "checkout"
    write(
        folder,
        {
            "../secret.toml": OUTSIDE,
            "../secrets/secret.toml": OUTSIDE,
            "models/base.toml": 'name = "Base"',
            "providers/p/provider.toml": 'name = "P"',
            "providers/p/models/good.toml": 'base_model = "base"',
        },
    )
    return folder


@pytest.mark.parametrize("base", ["{outside}/secret", "../../secret", "link", "folder/secret", "a\\u0000b", "x" * 5000])
def test_a_base_is_in_the_checkout(checkout: Path, base: str) -> None:
    (checkout / "models/link.toml").symlink_to("../../secret.toml")
    (checkout / "models/folder").symlink_to("../../secrets")
    write(checkout, {"providers/p/models/m.toml": f'base_model = "{base.format(outside=checkout.parent)}"'})

    assert {"p/m": "its base_model cannot be read"} == left_out(checkout)


def test_a_model_is_in_the_checkout(checkout: Path) -> None:
    (checkout / "providers/p/models/link.toml").symlink_to("../../../../secret.toml")
    (checkout / "providers/p/models/absolute.toml").symlink_to(checkout.parent / "secret.toml")

    outside = "its file is outside the checkout"
    assert {"p/link": outside, "p/absolute": outside} == left_out(checkout)


def test_a_link_within_the_checkout_is_followed(checkout: Path) -> None:
    (checkout / "providers/p/models/same.toml").symlink_to("good.toml")
    (checkout / "providers/p/models/base.toml").symlink_to("../../../models/base.toml")

    done = read(checkout, "models.dev", Selection())

    assert {"p/good": "Base", "p/same": "Base", "p/base": "Base"} == {
        entry["name"]: entry["display_name"] for entry in done.entries
    }


def test_folders_that_are_links_to_elsewhere_are_not_walked(checkout: Path) -> None:
    for name in ("linked", "walked"):
        write(checkout, {f"providers/{name}/provider.toml": ""})
    (checkout / "providers/walked/models").symlink_to("../../../secrets")
    (checkout / "providers/linked/models").mkdir()
    (checkout / "providers/linked/models/folder").symlink_to("../../../../secrets")
    write(checkout.parent, {"elsewhere/provider.toml": 'doc = "https://secret"', "elsewhere/models/m.toml": OUTSIDE})
    (checkout / "providers/elsewhere").symlink_to("../../elsewhere")

    assert {} == left_out(checkout)


@pytest.mark.parametrize("folder", ["models", "providers"])
def test_a_checkout_whose_folder_is_elsewhere_has_nothing_of_it(checkout: Path, folder: str) -> None:
    (checkout / folder).rename(checkout.parent / folder)
    (checkout / folder).symlink_to(f"../{folder}")

    with pytest.raises(InvalidCatalogueError, match="holds no model in the format"):
        read(checkout, "models.dev", Selection())


def test_what_is_no_model_s_file_is_left_out_alone(checkout: Path) -> None:
    models = checkout / "providers/p/models"
    os.mkfifo(models / "fifo.toml")
    (models / "folder.toml").mkdir()
    (models / "loop.toml").symlink_to("loop.toml")
    (models / "round").symlink_to(".")
    (models / "zero.toml").symlink_to("/dev/zero")
    (models / "large.toml").write_text("#" * 65_537)
    (models / "deep.toml").write_text(f"a = {'[' * 30_000}")
    (models / "dotted.toml").write_text(f"{'a.' * 30_000}a = 1")
    (models / "bytes.toml").write_bytes(b"a = '\xff'")

    unread = "its file cannot be read"
    assert {
        "p/fifo": unread,
        "p/folder": unread,
        "p/loop": unread,
        "p/zero": "its file is outside the checkout",
        "p/large": unread,
        "p/deep": "its file is not TOML",
        "p/dotted": "its file has a line with more than 64 dots",
        "p/bytes": unread,
    } == left_out(checkout)


def test_a_number_that_cannot_be_printed_is_left_out_alone(checkout: Path) -> None:
    said = "tool_call = {0}\nlimit.context = {0}\ncost.input = {0}"
    write(checkout, {"providers/p/models/good.toml": said.format(f"0x{'f' * 20_000}")})

    assert {"p/good"} == left_out(checkout).keys()


def test_a_checkout_has_a_size(checkout: Path) -> None:
    for number in range(513):
        (checkout / f"providers/p/models/{number}.toml").write_text("#" * 65_536)

    with pytest.raises(InvalidCatalogueError, match="has more than 33554432 bytes"):
        read(checkout, "models.dev", Selection())
