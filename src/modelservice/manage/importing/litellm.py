"""LiteLLM's `model_prices_and_context_window.json`: an object of models, each under its id.

What its fields mean is in its own example, the entry `sample_spec`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

from modelservice.manage.catalogue_file import Entry
from modelservice.manage.importing.account import Found, guess, state_labels
from modelservice.manage.importing.pricing import take_prices
from modelservice.manage.importing.reading import AGAIN, UNKNOWN, Reader, members, read_object

_PROVIDER: Final = "litellm_provider"
_SAMPLE: Final = "sample_spec"
# The modes in which a model answers with text. Every other mode is a capability of its own name.
_TEXT_MODES: Final = frozenset({"chat", "completion", "responses"})
_FLAGS: Final = {"supports_tools": "supports_function_calling", "supports_streaming": "supports_native_streaming"}
_PER_1K: Final = Decimal(1000)


def find(path: Path) -> list[Found]:
    """Returns the file's entries.

    Raises:
        InvalidCatalogueError: It cannot be read, or is not a JSON object.
    """
    return list(_found(path))


def convert(entry: Entry, reader: Reader) -> None:
    """Adds to an entry what the file's entry states, and apart what it lets us guess."""
    reader.pass_over(_PROVIDER)
    guess(entry, reader, "display_name", entry["name"], "missing: the id is used")
    _limits(entry, reader)
    metadata: dict[str, object] = {
        **take_prices(entry, reader, "input_cost_per_token", "output_cost_per_token", _PER_1K)
    }
    mode = reader.word("mode", "capabilities")
    has, lacks = [], []
    if mode:
        has.append("text-generation" if mode in _TEXT_MODES else mode.replace("_", "-"))
        metadata["mode"] = mode
    for key, capability in (("supports_reasoning", "reasoning"), ("supports_vision", "multimodal")):
        stated = reader.flag(key, "capabilities")
        if stated is False:
            lacks.append(capability)
        elif stated and capability not in has:
            has.append(capability)
    state_labels(entry, "capabilities", has, lacks)
    for name, key in _FLAGS.items():
        stated = reader.flag(key, name)
        if stated is not None:
            entry[name] = stated
    source, deprecated = reader.url("source", "metadata"), reader.day("deprecation_date", "metadata")
    if source:
        metadata["source_url"] = source
    if deprecated:
        metadata["deprecation_date"] = deprecated
    if metadata:
        entry["metadata"] = metadata


def _found(path: Path) -> Iterator[Found]:
    for name, content, superseded in members(read_object(path)):
        provider = content.get(_PROVIDER) if isinstance(content, dict) else None
        if name == _SAMPLE:
            yield Found(name, None, content, "the file's own example, no model")
        else:
            yield Found(name, provider, content, AGAIN if superseded else None)


def _limits(entry: Entry, reader: Reader) -> None:
    window = reader.number("max_input_tokens", "context_window")
    if window:
        entry["context_window"] = window
    elif not reader.lost("max_input_tokens"):
        reader.note(UNKNOWN, "context_window", "no max_input_tokens, or zero")
    limit = reader.number("max_output_tokens", "max_tokens_per_request")
    older = reader.number("max_tokens", "max_tokens_per_request")
    if limit:
        entry["max_tokens_per_request"] = limit
    # The older field repeats the output limit or, where there is none, the input limit.
    elif not reader.states("max_output_tokens") and not reader.lost("max_input_tokens") and older and older != window:
        guess(entry, reader, "max_tokens_per_request", older, "no max_output_tokens: the older max_tokens")
