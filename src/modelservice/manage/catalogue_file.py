"""The catalogue as a file that people review: YAML or JSON (`catalogue.schema.json`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

from modelservice.domain.fields import BY_NAME, FIELDS, check_new
from modelservice.domain.text import printable
from modelservice.domain.values import is_model_name
from modelservice.errors import InvalidValueError
from modelservice.manage.untrusted_files import Repeated, UnusableFileError, parse_json, read_text
from modelservice.manage.untrusted_yaml import parse_yaml
from modelservice.store.rows import Sourced

_REQUIRED: Final = tuple(one.name for one in FIELDS if one.required)

Entry = dict[str, Any]
T = TypeVar("T")


class InvalidCatalogueError(InvalidValueError):
    """A catalogue file has entries that cannot be imported. Nothing was changed.

    Args:
        problems: One sentence each, with model and field. They may quote the file: control characters are escaped.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(map(printable, problems))
        super().__init__("\n".join(self.problems))


def read_file(path: Path) -> list[Entry]:
    """Returns the unchecked entries of a catalogue file, YAML or JSON.

    Raises:
        InvalidCatalogueError: It cannot be read, or is not a catalogue.
    """
    content: Any = parsed(path, parse_json if path.suffix == ".json" else parse_yaml)
    models = content.get("models") if isinstance(content, dict) and content.keys() == {"models"} else None
    if not isinstance(models, list) or isinstance(content, Repeated):
        raise InvalidCatalogueError([f"{path}: must hold `models`, a list, once and nothing else"])
    return models


def parsed(path: Path, parse: Callable[[str], T]) -> T:
    """Returns the parsed content of an untrusted file.

    Raises:
        InvalidCatalogueError: It cannot be read, or `parse` raised an `UnusableFileError`.
    """
    try:
        return parse(read_text(path))
    except UnusableFileError as error:
        raise InvalidCatalogueError([f"{path}: {error}"]) from None


def documented() -> list[Entry]:
    """Returns the entries of the models in the list document."""
    with resources.as_file(resources.files("modelservice.manage") / "documented.yaml") as path:
        return read_file(path)


def checked(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Returns the entries with values of the service's types.

    Raises:
        InvalidCatalogueError: Some cannot be imported. It names all of them, by model and field.
    """
    problems: list[str] = []
    ready: list[dict[str, Any]] = []
    # The numbers of the entries with each unique value.
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            problems.append(f"entry {number}: must be an object")
            continue
        named = entry.get("name")
        what = f"model {named}" if isinstance(named, str) and is_model_name(named) else f"entry {number}"
        problems += [f"{what}: {name}: appears more than once" for name in _repeated(entry)]
        problems += [f"{what}: {name}: there is no such field" for name in map(str, entry) if name not in BY_NAME]
        problems += [f"{what}: {name}: is missing" for name in _REQUIRED if name not in entry]
        values = {name: BY_NAME[name].read(value) for name, value in entry.items() if name in BY_NAME}
        for name, value in values.items():
            problem = _problem(what, name, value)
            if problem:
                problems.append(problem)
        for name in ("name", "id"):
            if name in values:
                places[name, str(values[name])].append(number)
        ready.append(values)
    problems += [
        f"{field} {value}: appears in the entries {', '.join(map(str, numbers))}: must appear once"
        for (field, value), numbers in places.items()
        if len(numbers) > 1
    ]
    if problems:
        raise InvalidCatalogueError(problems)
    return ready


def entry_of(item: Sourced) -> dict[str, Any]:
    """Returns the entry of a model. `checked` and an import make the same model of it."""
    values = [(field, getattr(item.model, field.name)) for field in FIELDS]
    return {
        field.name: field.plain(value)
        for field, value in values
        if field.required or field.name in ("id", "created") or value != field.default
    }


def _repeated(value: object, path: str = "") -> Iterator[str]:
    """Yields the path of each repeated name in an object and in those within it."""
    if isinstance(value, Repeated):
        yield from sorted({f"{path}{name}" for name, _ in value.earlier})
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _repeated(member, f"{path}{name}.")
    if isinstance(value, list):
        for item in value:
            yield from _repeated(item, path)


def _problem(what: str, name: str, value: object) -> str | None:
    try:
        BY_NAME[name].check(f"{what}: {name}", value)
        check_new(f"{what}: {name}", name, value)
    except InvalidValueError as error:
        return str(error)
    return None
