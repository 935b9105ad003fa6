"""Layers: what each source says about a model, and the values that count.

A source's statements about a model are a document of JSON values by field. A field that is absent is not stated; null
states that there is no value. Labels and metadata are stated one by one:

    {"context_window": 128000, "max_tokens": null, "capabilities": {"has": ["reasoning"], "lacks": ["multimodal"]}}

`"only": true` states that there are no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelservice.domain.field_kind import Field, Kind
from modelservice.domain.fields import BY_NAME, FIELDS

# Built-in sources.
MANUAL: Final = "manual"
DOCUMENTED: Final = "documented"

# Ranks of built-in sources. Sources that are not listed are catalogue files.
RANKS: Final[Mapping[str, int]] = {MANUAL: 1000, DOCUMENTED: 300, "models.dev": 200, "litellm": 100}
FILE_RANK: Final = 500

# Marks in the layer of MANUAL: an administrator created the model, or deleted it.
CREATED: Final = "$created"
DELETED: Final = "$deleted"
MARKS: Final = (CREATED, DELETED)

# Members of the statement of labels, or of an object.
HAS: Final = "has"
LACKS: Final = "lacks"
ONLY: Final = "only"

# Fields that layers state. A model's UUID and name identify it.
STATED: Final = tuple(field for field in FIELDS if field.name not in ("id", "name"))
# Without these, a system model cannot be served.
_REQUIRED: Final = ("provider",)
# Fields that history keeps as digests.
PRIVATE: Final = ("system_prompt",)

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A named origin of facts. The higher rank wins; of equal ranks, the first name in alphabetical order."""

    name: str
    rank: int


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source states, or what its importer guessed, about one model."""

    source: str
    guessed: bool
    document: Document

    @property
    def key(self) -> tuple[str, bool]:
        """Identifies the layer among those of a model."""
        return self.source, self.guessed

    @property
    def title(self) -> str:
        """The layer's name for people."""
        return f"{self.source} (guessed)" if self.guessed else self.source


def default_rank(source: str) -> int:
    """Returns the rank of a source that nobody has ranked."""
    return RANKS.get(source, FILE_RANK)


def in_order(layers: Iterable[Layer], ranks: Mapping[str, int]) -> list[Layer]:
    """Returns layers by precedence, the highest first: guesses come after every statement."""

    def precedence(layer: Layer) -> tuple[bool, int, str]:
        return layer.guessed, -ranks.get(layer.source, default_rank(layer.source)), layer.source

    return sorted(layers, key=precedence)


def exists(layers: Iterable[Layer]) -> bool:
    """Whether a model exists: a source states it, or an administrator created it, and none deleted it."""
    found = False
    provided = False
    for layer in layers:
        if DELETED in layer.document:
            return False
        if CREATED in layer.document:
            return True
        found |= not layer.guessed and layer.source != MANUAL
        provided |= all(name in layer.document for name in _REQUIRED)
    return found and provided


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """Returns the value that counts of each stated field, as JSON. `layers` are in order of precedence."""
    values: dict[str, Any] = {}
    for field in STATED:
        statements = [layer.document[field.name] for layer in layers if field.name in layer.document]
        if statements:
            values[field.name] = _merged(field, statements)
    return values


def _merged(field: Field, statements: Sequence[Any]) -> Any:  # noqa: ANN401  (JSON)
    match field.kind:
        case Kind.LABELS:
            return _labels(field, statements)
        case Kind.OBJECT:
            return {key: value for key, (_, value) in members(statements).items() if value is not _ABSENT}
        case _:
            return statements[0]


_ABSENT: Final = object()


def members(statements: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, Any]]:
    """Returns each label or key of statements with the number of the statement that decides on it, and its value."""
    found: dict[str, tuple[int, Any]] = {}
    for number, statement in enumerate(statements):
        has = statement.get(HAS, ())
        for name in has:
            found.setdefault(name, (number, has[name] if isinstance(has, Mapping) else True))
        for name in statement.get(LACKS, ()):
            found.setdefault(name, (number, _ABSENT))
        if statement.get(ONLY):
            break
    return found


def _labels(field: Field, statements: Sequence[Mapping[str, Any]]) -> list[str]:
    first = next((statement[HAS] for statement in statements if statement.get(HAS)), ())
    if len(statements) == 1:
        return list(first)
    order = {label: number for number, label in enumerate(dict.fromkeys((*first, *field.vocabulary)))}
    present = [label for label, (_, value) in members(statements).items() if value is not _ABSENT]
    return sorted(present, key=lambda label: (order.get(label, len(order)), label))


def stated(field: Field, value: Any) -> Any:  # noqa: ANN401  (a field of any kind)
    """Returns the statement that a field has a value, given in the type of the model's attribute or as JSON.

    Labels and members of metadata that are not in the value are not stated.
    """
    if field.kind is Kind.LABELS:
        return {ONLY: True} if value is None else {HAS: list(value)} if value else {}
    if field.kind is Kind.OBJECT:
        return {ONLY: True} if value is None else {HAS: dict(value)} if value else {}
    if field.kind is Kind.PRICE and value is not None:
        return float(value)
    return field.plain(value)


def stated_whole(field: Field, value: Any) -> Any:  # noqa: ANN401
    """Returns the same statement, and that there are no other labels or members."""
    statement = stated(field, value)
    return {**statement, ONLY: True} if field.kind in (Kind.LABELS, Kind.OBJECT) else statement


def stated_difference(field: Field, before: Any, after: Any) -> Any:  # noqa: ANN401
    """Returns the statement of what differs between two values, in JSON's types."""
    if field.kind is Kind.LABELS:
        # All of them, so that they show in this order.
        return _compact(list(after or ()), [label for label in before or () if label not in (after or ())])
    if field.kind is Kind.OBJECT:
        old, new = before or {}, after or {}
        changed = {key: value for key, value in new.items() if key not in old or differ(old[key], value)}
        return _compact(changed, [key for key in old if key not in new])
    return after


def patched(field: Field, statement: Any, difference: Any) -> Any:  # noqa: ANN401
    """Returns a statement after a `stated_difference` was added to it."""
    if field.kind not in (Kind.LABELS, Kind.OBJECT) or statement is None:
        return difference
    has, lacks = difference.get(HAS, ()), difference.get(LACKS, ())
    if field.kind is Kind.LABELS:
        kept: Any = [label for label in statement.get(HAS, ()) if label not in (*lacks, *has)] + list(has)
    else:
        kept = {key: value for key, value in statement.get(HAS, {}).items() if key not in lacks} | dict(has)
    absent = [name for name in (*statement.get(LACKS, ()), *lacks) if name not in has]
    return _compact(kept, list(dict.fromkeys(absent))) | ({ONLY: True} if statement.get(ONLY) else {})


def _compact(has: Any, lacks: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401
    return ({HAS: has} if has else {}) | ({LACKS: list(lacks)} if lacks else {})


def differ(one: Any, other: Any) -> bool:  # noqa: ANN401
    """Whether two JSON values differ. Python holds true and 1 to be equal, even in lists and objects."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() != other.keys() or any(differ(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) != len(other) or any(map(differ, one, other))
    return isinstance(one, bool) is not isinstance(other, bool) or bool(one != other)


def values_differ(name: str, one: Any, other: Any) -> bool:  # noqa: ANN401
    """Whether two values of a field differ."""
    # Only objects have values of any type.
    return differ(one, other) if BY_NAME[name].kind is Kind.OBJECT else bool(one != other)


def documents_differ(one: Document | None, other: Document | None) -> bool:
    """Whether what a layer states differs; None is a layer that is not there."""
    if one is None or other is None or one != other:
        return one is not other
    return any(name in BY_NAME and values_differ(name, one[name], other[name]) for name in one)


def digested(document: Document) -> Document:
    """Returns a document as history keeps it: private values are replaced by their length and digest."""
    private = {name: document[name] for name in PRIVATE if isinstance(document.get(name), str)}
    return {**document, **{name: digest(text) for name, text in private.items()}} if private else document


def digest(text: str) -> dict[str, Any]:
    """Returns what the audit and history keep of a private value."""
    return {"characters": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def without_digests(document: Document, present: Document | None = None) -> tuple[Document, list[str]]:
    """Returns a document of the history without the values that it does not have, and the names of these.

    Args:
        document: The document.
        present: The layer's document now. Private values that are the same are taken from here.
    """
    known = present or {}
    found: dict[str, Any] = {}
    lost: list[str] = []
    for name, value in document.items():
        if name not in PRIVATE or not isinstance(value, Mapping):
            found[name] = value
        elif isinstance(known.get(name), str) and digest(known[name]) == value:
            found[name] = known[name]
        else:
            lost.append(name)
    return found, lost


def effective_values(name: str, layers: Sequence[Layer], *, is_system: bool) -> Document:
    """Returns the values of a model as its row holds them: without what it has if nothing is stated.

    Args:
        name: The model's name, which it shows if no source gives it another for people.
        layers: Its layers, by precedence.
        is_system: Whether it is a system model.
    """
    values = merged(layers)
    if not is_system:
        return {field: value for field, value in values.items() if field != "enabled" or not value}
    return {
        field: value
        for field, value in {"display_name": name, **values}.items()
        if BY_NAME[field].required or value != BY_NAME[field].plain(BY_NAME[field].default)
    }


def shadowed(source: str, layers: Sequence[Layer]) -> Iterator[tuple[str, Any, Any, str]]:
    """Yields what a source states about a model and that does not count.

    Args:
        source: The source.
        layers: The model's layers by precedence.

    Yields:
        The field, the stated value, the value that counts, and the layer that states that. A label or member that
        the source states absent is shown as `{"lacks": [...]}`.
    """
    if layers and layers[0].key == (source, False):
        # No layer shadows the first.
        return
    for field in STATED:
        stating = [layer for layer in layers if field.name in layer.document]
        place = next((n for n, layer in enumerate(stating) if layer.key == (source, False)), 0)
        if place:
            yield from _shadowed(field, place, stating)


def _shadowed(field: Field, place: int, stating: Sequence[Layer]) -> Iterator[tuple[str, Any, Any, str]]:
    statements = [layer.document[field.name] for layer in stating]
    own, kept = statements[place], _merged(field, statements)
    if field.kind not in (Kind.LABELS, Kind.OBJECT):
        if differ(own, kept):
            yield field.name, own, kept, stating[0].title
        return
    above = statements[:place]
    decided, said = members(above), {name: value for name, (_, value) in members([own]).items()}
    # What decides on everything that the layers before it do not name.
    rest = next((number for number, statement in enumerate(above) if statement.get(ONLY)), None)
    if own.get(ONLY):
        said = dict.fromkeys(decided, _ABSENT) | said
    for name, value in said.items():
        number, other = decided.get(name, (rest, _ABSENT))
        if number is not None and _differ(value, other):
            yield field.name, _shown(field, name, value), kept, stating[number].title


def _differ(one: Any, other: Any) -> bool:  # noqa: ANN401
    return one is not other if _ABSENT in (one, other) else differ(one, other)


def _shown(field: Field, name: str, value: Any) -> Any:  # noqa: ANN401
    if value is _ABSENT:
        return {LACKS: [name]}
    return name if field.kind is Kind.LABELS else {name: value}
