"""Catalogue files as others publish them, made up."""

from __future__ import annotations

import json
import random
from importlib import resources
from pathlib import Path
from typing import Any, Final

from modelservice.manage.catalogue_file import read_file
from tests.support.harness import SHARED

_LITELLM_FILE: Final = SHARED / "data" / "litellm_model_prices_and_context_window.json"
# One of LiteLLM's shape and size; and its own, where it lies beside the checkout.
WHOLE_FILES: Final = ["made up", *(["LiteLLM's own"] if _LITELLM_FILE.exists() else [])]
_WHOLE: Final = 4300
# Names of the documented catalogue that LiteLLM has, too.
IN_BOTH: Final = ("gpt-3.5-turbo", "gpt-4-turbo", "gpt-4o", "gpt-4o-mini")
SAMPLE: Final = {
    "litellm_provider": "one of https://docs.litellm.ai/docs/providers",
    "max_tokens": "LEGACY parameter",
    "mode": "one of: chat, embedding, completion",
    "input_cost_per_token": 0.0,
}
# Each shape of name that such files have.
_SHAPES: Final = (
    "{provider}/{Vendor}/Model-{n}.5B-Instruct",
    "{provider}/{vendor}-{n}",
    "{vendor}-{n}-preview-2026-01-0{d}",
    "us.{vendor}.model-{n}-v1:0",
    "{provider}/eu-west-{d}/{vendor}.model-{n}-v{d}:0",
    "{provider}/@cf/{vendor}/model-{n}",
    "{provider}/model-{n}@202601{d}0",
    "ft:{vendor}-{n}",
    "1024-x-1024/{d}0-steps/{vendor}.image_{n}",
    "{provider}/accounts/{vendor}/models/model_{n}p{d}",
    "MODEL.{Vendor}_{n}",
)
_MODES: Final = ("chat",) * 12 + ("responses", "completion", "embedding", "image_generation", "audio_transcription")


def litellm_content(count: int, seed: int = 7) -> dict[str, Any]:
    """Returns so many entries in LiteLLM's format: its sample, four names with a '*' and no model among them."""
    chosen = random.Random(seed)
    content: dict[str, Any] = {"sample_spec": SAMPLE}
    names = list(IN_BOTH)
    while len(names) < count - 6:
        shape, vendor = chosen.choice(_SHAPES), chosen.choice(("acme", "globex", "initech", "umbrella"))
        provider = f"provider_{chosen.randrange(130)}"
        names.append(
            shape.format(
                provider=provider, vendor=vendor, Vendor=vendor.title(), n=len(names), d=chosen.randrange(1, 10)
            )
        )
    for name in names:
        content[name] = _entry(chosen, name)
    for months in (1, 6):
        for size in ("light", "text"):
            content[f"bedrock/*/{months}-month-commitment/{size}"] = _entry(chosen, "bedrock/x")
    content["fallback_rules"] = {"rules": [{"pattern": "^x", "model_info": {"mode": "chat"}}]}
    return content


def documented_entries() -> list[dict[str, Any]]:
    """Returns the documented catalogue as the entries of a file."""
    with resources.as_file(resources.files("modelservice.manage") / "documented.yaml") as path:
        return read_file(path).entries


def whole_file(which: str, folder: Path) -> Path:
    """Returns one of `WHOLE_FILES`; what is made up is written into the folder."""
    return litellm_file(folder, litellm_content(_WHOLE)) if which == WHOLE_FILES[0] else _LITELLM_FILE


def litellm_file(folder: Path, content: dict[str, Any] | str) -> Path:
    """Writes a file of LiteLLM's, and returns its path."""
    file = folder / "litellm.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def models_dev_file(folder: Path) -> Path:
    """Writes a file of models.dev's, and returns its path."""
    model = {"name": "GPT-9", "tool_call": True, "limit": {"context": 400_000}, "cost": {"input": 1.1, "output": 3.3}}
    file = folder / "api.json"
    file.write_text(json.dumps({name: {"models": {"gpt-9": model}} for name in ("openai", "groq")}))
    return file


def _entry(chosen: random.Random, name: str) -> dict[str, Any]:
    mode = chosen.choice(_MODES)
    entry: dict[str, Any] = {
        "litellm_provider": name.split("/", maxsplit=1)[0] if "/" in name else "openai",
        "mode": mode,
        "supports_tool_choice": True,
    }
    if chosen.random() < 0.8:
        entry["input_cost_per_token"] = chosen.choice((0.0, 1.5e-07, 2e-06, 3.3e-07))
        entry["output_cost_per_token"] = chosen.choice((0, 6e-07, 1.4e-06))
    if chosen.random() < 0.8:
        entry["max_input_tokens"] = chosen.choice((8191, 128_000, 10_485_760))
    if chosen.random() < 0.7:
        entry["max_tokens"] = entry["max_output_tokens"] = chosen.choice((4096, 16_384, 1_000_000))
    for flag in ("supports_function_calling", "supports_vision", "supports_reasoning", "supports_native_streaming"):
        if chosen.random() < 0.4:
            entry[flag] = chosen.random() < 0.8
    if chosen.random() < 0.6:
        entry["source"] = "https://example.com/pricing"
    if chosen.random() < 0.2:
        entry["deprecation_date"] = "2027-03-31"
    return entry
