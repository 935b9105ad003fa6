"""The catalogue as a file that people review: YAML or JSON (`catalogue.schema.json`)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import yaml

from modelservice.domain.model import LABELS, SYSTEM_CHECKS, Model
from modelservice.domain.values import check_uuid
from modelservice.errors import InvalidValueError
from modelservice.store.sources import Sourced

# What the service decides, and no file.
FIELDS: Final = ("id", *(name for name in SYSTEM_CHECKS if name != "updated"))
_REQUIRED: Final = ("name", "display_name", "provider")
_DEFAULTS: Final = {
    name: item.default_factory() if callable(item.default_factory) else item.default
    for name, item in Model.__dataclass_fields__.items()
}

# libyaml reads 5,000 models in a second, Python alone in ten.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Entry = dict[str, Any]


class InvalidCatalogueError(InvalidValueError):
    """A catalogue file has entries that cannot be imported. Nothing was changed.

    Args:
        problems: A sentence for each, which names model and field.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def read_file(path: Path) -> list[Entry]:
    """Returns the entries of a catalogue file, as they stand there.

    Args:
        path: The file: YAML, or JSON.

    Raises:
        InvalidCatalogueError: It cannot be read, or is no catalogue.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.load(text, _LOADER)  # noqa: S506  (a safe one)
    except OSError as error:
        raise InvalidCatalogueError([f"{path}: {error.strerror}"]) from None
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise InvalidCatalogueError([f"{path}: {' '.join(str(error).split())}"]) from None
    models = content.get("models") if isinstance(content, dict) and content.keys() == {"models"} else None
    if not isinstance(models, list):
        raise InvalidCatalogueError([f"{path}: must hold `models`, a list, and nothing else"])
    return models


def documented() -> list[Entry]:
    """Returns the entries of the models in the list document."""
    with resources.as_file(resources.files("modelservice.manage") / "documented.yaml") as path:
        return read_file(path)


def checked(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Returns the entries with values of the service's own types.

    Raises:
        InvalidCatalogueError: Some cannot be imported. Every one is named, by model and field.
    """
    problems: list[str] = []
    ready: list[dict[str, Any]] = []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            problems.append(f"entry {number}: must be an object")
            continue
        what = f"model {entry.get('name', f'(entry {number})')}"
        problems += [f"{what}: {name}: there is no such field" for name in map(str, entry) if name not in FIELDS]
        problems += [f"{what}: {name}: is missing" for name in _REQUIRED if name not in entry]
        values = {name: _own_type(name, value) for name, value in entry.items() if name in FIELDS}
        for name, value in values.items():
            problem = _problem(what, name, value)
            if problem:
                problems.append(problem)
        ready.append(values)
    for field in ("name", "id"):
        times = Counter(str(entry[field]) for entry in ready if field in entry)
        problems += [f"{field} {value}: stands there {count} times" for value, count in times.items() if count > 1]
    if problems:
        raise InvalidCatalogueError(problems)
    return ready


def entry_of(item: Sourced) -> dict[str, Any]:
    """Returns the entry that stands for a model: what `checked` makes the same model of."""
    values = {name: getattr(item.model, name) for name in FIELDS}
    entry = {
        name: value
        for name, value in values.items()
        if name in ("id", "created", *_REQUIRED) or value != _DEFAULTS[name]
    }
    for name in ("id", "system_prompt_id"):
        if name in entry:
            entry[name] = str(entry[name])
    for name in LABELS:
        if name in entry:
            entry[name] = list(entry[name])
    return entry


def default_of(field: str) -> Any:  # noqa: ANN401  (a field of any type)
    """Returns the value of a field that nobody has said."""
    return _DEFAULTS[field]


def _own_type(name: str, value: Any) -> Any:  # noqa: ANN401
    if name in LABELS and isinstance(value, list):
        return tuple(value)
    if name in ("id", "system_prompt_id") and isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            return value
    return value


def _problem(what: str, name: str, value: object) -> str | None:
    check: Callable[[str, Any], None] = check_uuid if name == "id" else SYSTEM_CHECKS[name]
    try:
        check(f"{what}: {name}", value)
    except InvalidValueError as error:
        return str(error)
    return None
