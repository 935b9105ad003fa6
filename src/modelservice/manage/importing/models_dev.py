"""models.dev: its `api.json`, an object of providers with their models; or a checkout of its repository.

A model's id is `provider/model`, as models.dev and the clients that use it name models: the same model is sold by many
providers, at different prices.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from modelservice.domain.layers import HAS
from modelservice.manage.catalogue_file import Entry
from modelservice.manage.importing.account import Found, guess, state_labels
from modelservice.manage.importing.models_dev_checkout import Unreadable, read_checkout
from modelservice.manage.importing.pricing import take_prices
from modelservice.manage.importing.reading import (
    AGAIN,
    UNKNOWN,
    Reader,
    members,
    read_object,
    with_member,
)

# From a million tokens to a thousand.
_PER_1K: Final = Decimal("0.001")
_EMBEDS: Final = "embed"
# Where the provider's own fields go while a model is read.
_DOC: Final = "provider.doc"


def find(path: Path) -> list[Found]:
    """Returns the models of a file, or of a folder of TOML files.

    Raises:
        InvalidCatalogueError: It cannot be read, or is not a JSON object; the folder is not a checkout.
    """
    return list(_found(read_checkout(path) if path.is_dir() else read_object(path)))


def convert(entry: Entry, reader: Reader) -> None:
    """Adds to an entry what the model states, and apart what it lets us guess."""
    name = reader.name("name", "display_name")
    if name:
        entry["display_name"] = name
    else:
        guess(entry, reader, "display_name", entry["name"], "missing: the id is used")
    _limits(entry, reader)
    cost = reader.part("cost", "cost_per_1k_tokens")
    prices = take_prices(entry, cost, "input", "output", _PER_1K)
    metadata: dict[str, object] = {f"{key}_cost_per_1m_tokens": price for key, price in prices.items()}
    _capabilities(entry, reader)
    tools = reader.flag("tool_call", "supports_tools")
    if tools is not None:
        entry["supports_tools"] = tools
    source, status = reader.url(_DOC, "metadata"), reader.word("status", "metadata")
    if source:
        metadata["source_url"] = source
    if status:
        metadata["status"] = status
    if metadata:
        entry["metadata"] = metadata


def _found(content: dict[str, Any]) -> Iterator[Found]:
    for provider, about, superseded in members(content):
        models = about.get("models") if isinstance(about, dict) else None
        if not isinstance(models, dict):
            yield Found(provider, provider, about, "a provider without an object `models`")
            continue
        for model, said, repeated in members(models):
            refusal = AGAIN if superseded or repeated else None
            if isinstance(said, Unreadable):
                refusal = said.reason
            yield Found(f"{provider}/{model}", provider, with_member(said, _DOC, about.get("doc")), refusal)


def _limits(entry: Entry, reader: Reader) -> None:
    limits = reader.part("limit", "context_window")
    window = limits.number("context", "context_window")
    if window:
        entry["context_window"] = window
    elif not (reader.lost("limit") or limits.lost("context")):
        reader.note(UNKNOWN, "context_window", "no limit.context, or zero")
    limit = limits.number("output", "max_tokens_per_request")
    if limit:
        entry["max_tokens_per_request"] = limit


def _capabilities(entry: Entry, reader: Reader) -> None:
    modalities = reader.part("modalities", "capabilities")
    taken, given = modalities.words("input", "capabilities"), modalities.words("output", "capabilities")
    family = reader.name("family", "capabilities") or ""
    # It says what goes in and out, not what for.
    if "text" in taken and "text" in given and _EMBEDS in f"{family} {entry['name']}".lower():
        made = ["embedding"]
    else:
        made = [f"{kind}-generation" for kind in given if kind != "text" or "text" in taken]
    if made:
        guess(entry, reader, "capabilities", {HAS: made}, "from modalities, family and id")
    stated = {
        "reasoning": reader.flag("reasoning", "capabilities"),
        "multimodal": "image" in taken if modalities.has("input") else None,
    }
    has, lacks = ([label for label, said in stated.items() if said is which] for which in (True, False))
    state_labels(entry, "capabilities", has, lacks)
