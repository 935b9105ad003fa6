"""Accounts for each entry of an imported catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, cast

from modelservice.domain.fields import BY_NAME
from modelservice.domain.layers import HAS, LACKS
from modelservice.domain.values import NAME_RULE, check_line, is_model_name
from modelservice.errors import InvalidValueError
from modelservice.manage.catalogue_file import GUESSES, Entry
from modelservice.manage.importing.reading import GUESSED, LEFT_OUT, Reader


@dataclass(frozen=True, slots=True)
class Finding:
    """A value or an entry that was left out, guessed or is unknown.

    Attributes:
        model: The entry.
        provider: Its provider; empty when it names none.
        what: `LEFT_OUT`, `GUESSED` or `UNKNOWN`.
        field: Which field of the model; empty when it is about the whole entry.
        reason: Why: the same words for all that it happened to.
        value: What the file has there, shortened; empty where that says nothing.
    """

    model: str
    provider: str
    what: str
    field: str
    reason: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries are wanted.

    Attributes:
        providers: Any of these; all when there are none.
        patterns: And an id that fits any of these (`*` also stands for slashes); all when there are none.
    """

    providers: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Returns whether anything is left out."""
        return bool(self.providers or self.patterns)

    def takes(self, name: str, provider: object) -> bool:
        """Returns whether an entry is selected."""
        if self.providers and provider not in self.providers:
            return False
        return not self.patterns or any(fnmatchcase(name, pattern) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of the file.

    Attributes:
        name: The id that it would have.
        provider: What the file has as its provider.
        content: What the file says of it.
        refusal: Why it cannot be a model, where the format's own rules say so.
    """

    name: str
    provider: object
    content: object
    refusal: str | None = None


@dataclass(slots=True)
class Conversion:
    """A converted file. `total` is `entries`, those left out, and `not_selected` together.

    Attributes:
        entries: What can be imported, in the file's order: what the file states and, in the member `GUESSES`, what
            was guessed.
        total: How many entries the file has.
        not_selected: How many of them the selection leaves out.
        findings: What was left out, guessed or is unknown.
        without_place: The file's fields for which a model has none, and how many entries have each.
    """

    entries: list[Entry] = field(default_factory=list)
    total: int = 0
    not_selected: int = 0
    findings: list[Finding] = field(default_factory=list)
    without_place: Counter[str] = field(default_factory=Counter)


Convert = Callable[[Entry, Reader], None]


def converted(found: Iterable[Found], selection: Selection, convert: Convert) -> Conversion:
    """Converts a file's entries, and accounts for all of them.

    Args:
        found: The entries.
        selection: Which of them are wanted.
        convert: Adds to an entry, which has its name and provider, what a reader of the file's entry finds.
    """
    done = Conversion()
    names: set[str] = set()
    for item in found:
        done.total += 1
        if not selection.takes(item.name, item.provider):
            done.not_selected += 1
            continue
        provider = item.provider if isinstance(item.provider, str) else ""

        def note(what: str, name: str, reason: str, value: str = "", item: Found = item, by: str = provider) -> None:
            done.findings.append(Finding(item.name, by, what, name, reason, value))

        refusal = item.refusal or _refusal(item, names)
        if refusal:
            note(LEFT_OUT, "", refusal)
            continue
        names.add(item.name)
        reader = Reader(cast(dict[str, Any], item.content), note)
        entry: dict[str, Any] = {"name": item.name, "provider": provider}
        convert(entry, reader)
        done.entries.append(entry)
        done.without_place.update(reader.unread())
    return done


def guess(entry: Entry, reader: Reader, name: str, value: object, reason: str) -> None:
    """Adds to an entry a value that the file does not state, and notes why it may be so."""
    reader.note(GUESSED, name, reason)
    entry.setdefault(GUESSES, {})[name] = value


def state_labels(entry: Entry, name: str, has: Sequence[str], lacks: Sequence[str]) -> None:
    """Adds to an entry the labels that the file states true and false, if there are any."""
    # LiteLLM's mode can be the same word as a flag.
    absent = [label for label in lacks if label not in has]
    stated = {key: labels for key, labels in ((HAS, list(has)), (LACKS, absent)) if labels}
    if stated:
        entry[name] = stated


def _refusal(item: Found, names: Collection[str]) -> str | None:
    if not isinstance(item.content, dict):
        return "must be an object"
    if "*" in item.name:
        return "its name has a '*': it matches many models"
    if not is_model_name(item.name):
        return f"its name must be {NAME_RULE}"
    if item.name in names:
        return "an entry before it has the same id"
    return _provider_refusal(item.provider)


def _provider_refusal(provider: object) -> str | None:
    if provider is None:
        return "names no provider"
    try:
        BY_NAME["provider"].check("", provider)
        check_line("", provider)
    except InvalidValueError:
        return "its provider must be a line of 1 to 256 characters"
    return None
