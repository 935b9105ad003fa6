"""The catalogue as a file that people review: YAML or JSON (`catalogue.schema.json`)."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from modelservice.domain.field_kind import Field, Kind
from modelservice.domain.fields import BY_NAME, FIELDS, check_new
from modelservice.domain.layers import HAS, LACKS, ONLY, STATED, Document, stated, stated_whole
from modelservice.domain.text import printable
from modelservice.domain.values import check_flag, is_model_name, shown
from modelservice.errors import InvalidValueError
from modelservice.manage.untrusted_files import Repeated, UnusableFileError, parse_json, read_stream, read_text
from modelservice.manage.untrusted_yaml import parse_yaml

_REQUIRED: Final = tuple(one.name for one in FIELDS if one.required)
# What an importer guessed, in an entry of its own.
GUESSES: Final = "guesses"
_REVISION: Final = re.compile(r"[0-9]{1,18}-[0-9a-f]{12}")
# Standard input, and its name as a source.
STANDARD_INPUT: Final = Path("-")
STDIN: Final = "stdin"

# An unchecked entry of a file.
Entry = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """A catalogue file.

    Attributes:
        entries: Its unchecked entries.
        revision: The mark of the revision that it was exported at; None if it is not an export.
    """

    entries: list[Entry]
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What a file states about a model.

    Attributes:
        name: The model's name.
        id: Its UUID, if that is stated.
        document: The statements.
        guesses: What the importer guessed.
    """

    name: str
    id: UUID | None
    document: Document
    guesses: Document = field(default_factory=dict)


class InvalidCatalogueError(InvalidValueError):
    """A catalogue file has entries that cannot be imported. Nothing was changed.

    Args:
        problems: One sentence each, with model and field. They may quote the file: control characters are escaped.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(map(printable, problems))
        super().__init__("\n".join(self.problems))


def read_file(path: Path) -> CatalogueFile:
    """Returns the content of a catalogue file, YAML or JSON. `-` is standard input.

    Raises:
        InvalidCatalogueError: It cannot be read, or is not a catalogue.
    """
    content: Any = parsed(path, parse_json if path.suffix == ".json" else parse_yaml)
    members = {"models", "revision"} if isinstance(content, dict) and "revision" in content else {"models"}
    models = content.get("models") if isinstance(content, dict) and content.keys() == members else None
    if not isinstance(models, list) or isinstance(content, Repeated):
        raise InvalidCatalogueError([f"{path}: must hold `models`, a list, once, at most `revision`, and nothing else"])
    revision = content.get("revision")
    if revision is not None and not (isinstance(revision, str) and _REVISION.fullmatch(revision)):
        raise InvalidCatalogueError([f"{path}: revision is {shown(revision)}: must be as `export` writes it"])
    return CatalogueFile(models, revision)


def source_of(path: Path) -> str:
    """Returns the name of a file as a source."""
    return STDIN if path == STANDARD_INPUT else path.name


def parsed(path: Path, parse: Callable[[str], T]) -> T:
    """Returns the parsed content of an untrusted file.

    Raises:
        InvalidCatalogueError: It cannot be read, or `parse` raised an `UnusableFileError`.
    """
    try:
        return parse(read_stream(sys.stdin.buffer) if path == STANDARD_INPUT else read_text(path))
    except UnusableFileError as error:
        raise InvalidCatalogueError([f"{path}: {error}"]) from None


def documented() -> list[Statement]:
    """Returns the models in the list document: what the document does not say, they do not have."""
    with resources.as_file(resources.files("modelservice.manage") / "documented.yaml") as path:
        found = checked(read_file(path).entries)
    silent = {one.name: stated_whole(one, one.default) for one in STATED if not one.required and one.name != "created"}
    return [
        Statement(one.name, one.id, {**silent, **{name: _only(name, value) for name, value in one.document.items()}})
        for one in found
    ]


def checked(entries: Iterable[Entry], required: Sequence[str] = _REQUIRED, *, guesses: bool = False) -> list[Statement]:
    """Returns what entries state.

    Args:
        entries: The entries.
        required: Fields that each must have.
        guesses: Whether an entry may have a member `GUESSES`.

    Raises:
        InvalidCatalogueError: Some cannot be imported. It names all of them, by model and field.
    """
    problems: list[str] = []
    ready: list[Statement] = []
    # The numbers of the entries with each unique value.
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            problems.append(f"entry {number}: must be an object")
            continue
        named = entry.get("name")
        what = f"model {named}" if isinstance(named, str) and is_model_name(named) else f"entry {number}"
        guessed = entry.get(GUESSES, {}) if guesses else {}
        values = {name: value for name, value in entry.items() if not (guesses and name == GUESSES)}
        problems += [f"{what}: {name}: appears more than once" for name in _repeated(entry)]
        problems += [
            f"{what}: {name}: there is no such field" for name in map(str, (*values, *guessed)) if name not in BY_NAME
        ]
        problems += [f"{what}: {name}: is missing" for name in required if name not in {**guessed, **values}]
        documents = [_document(what, one, problems) for one in (values, guessed)]
        for name in ("name", "id"):
            if name in values:
                places[name, str(values[name]).lower() if name == "id" else str(values[name])].append(number)
        model_id = BY_NAME["id"].read(values.get("id"))
        ready.append(Statement(str(named), model_id, *documents))
    problems += [
        f"{name} {value}: appears in the entries {', '.join(map(str, numbers))}: must appear once"
        for (name, value), numbers in places.items()
        if len(numbers) > 1
    ]
    if problems:
        raise InvalidCatalogueError(problems)
    return ready


def entry_of(name: str, model_id: UUID, created: int, values: Document) -> Entry:
    """Returns the entry of a model with merged values. History lacks private values: the entry does, too."""
    entry = {"name": name, "id": str(model_id), "created": created, **values}
    return {
        one.name: entry[one.name]
        for one in FIELDS
        if one.name in entry and not (one.kind is Kind.TEXT and isinstance(entry[one.name], Mapping))
    }


def _document(what: str, values: Entry, problems: list[str]) -> Document:
    """Returns what members of an entry state, and adds what is wrong with them to the problems."""
    document = {}
    for name in (name for name in values if name in BY_NAME):
        problem = _problem(what, BY_NAME[name], values[name])
        if problem:
            problems.append(problem)
        elif name not in ("id", "name"):
            document[name] = _statement(BY_NAME[name], values[name])
    return document


def _statement(one: Field, value: Any) -> Any:  # noqa: ANN401  (a value of any field)
    if _is_long(one, value):
        return {key: value[key] for key in (HAS, LACKS, ONLY) if value.get(key)}
    return stated(one, one.read(value))


def _only(name: str, statement: Any) -> Any:  # noqa: ANN401
    return {**statement, ONLY: True} if BY_NAME[name].kind in (Kind.LABELS, Kind.OBJECT) else statement


def _is_long(one: Field, value: object) -> bool:
    """Whether labels are written as an object, which can also say what a model lacks."""
    return one.kind is Kind.LABELS and isinstance(value, dict)


def _repeated(value: object, path: str = "") -> Iterator[str]:
    """Yields the path of each repeated name in an object and in those within it."""
    if isinstance(value, Repeated):
        yield from sorted({f"{path}{name}" for name, _ in value.earlier})
    if isinstance(value, dict):
        for name, member in value.items():
            if isinstance(member, dict | list):
                yield from _repeated(member, f"{path}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from _repeated(item, path)


def _problem(what: str, one: Field, value: Any) -> str | None:  # noqa: ANN401
    place = f"{what}: {one.name}"
    try:
        if _is_long(one, value):
            _check_long(place, one, value)
        elif value is not None or one.kind not in (Kind.LABELS, Kind.OBJECT):
            one.check(place, one.read(value))
            check_new(place, one.name, value)
    except InvalidValueError as error:
        return str(error)
    return None


def _check_long(place: str, one: Field, value: Mapping[str, Any]) -> None:
    for key in value:
        if key not in (HAS, LACKS, ONLY):
            raise InvalidValueError(f"{place}.{key}: must be {HAS}, {LACKS} or {ONLY}")
    check_flag(f"{place}.{ONLY}", value.get(ONLY, False))
    has, lacks = value.get(HAS, []), value.get(LACKS, [])
    one.check(f"{place}.{HAS}", one.read(has))
    one.check(f"{place}.{LACKS}", one.read(lacks))
    for label in has:
        if label in lacks:
            raise InvalidValueError(f"{place}: {label}: is in both {HAS} and {LACKS}")
