"""The catalogue of system models, from a file to the database."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final
from uuid import UUID, uuid4

import yaml

from modelservice.domain import Model
from modelservice.errors import ConflictError, InvalidValueError
from modelservice.store.database import Access, Database
from modelservice.store.writing import write

# What the service decides, and no file.
_NOT_IN_A_FILE: Final = {"position", "updated"}
_FIELDS: Final = set(Model.__dataclass_fields__) - _NOT_IN_A_FILE
_REQUIRED: Final = ("name", "display_name", "provider")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, by model name."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]


def import_catalogue(database_url: str, models: Sequence[Mapping[str, Any]]) -> ImportReport:
    """Adds the models, or changes those whose names are there: all of them or, on any error, none.

    What a model leaves out gets its default. Importing the same models again changes nothing.

    Args:
        database_url: Where.
        models: The models' fields, as `domain.Model` names them, without `position` and `updated`. `id` and `created`
            may be left out.

    Raises:
        InvalidValueError: A field is unknown, missing, or outside its bounds.
        ConflictError: Two models share a name or a UUID, or a UUID belongs to another name.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    now = int(time.time())
    wanted = [_from_fields(fields, now) for fields in models]
    _require_unique("name", [model.name for model in wanted])
    _require_unique("id", [str(model.id) for model in wanted])
    given_ids = {str(fields["name"]) for fields in models if "id" in fields}
    given_created = {str(fields["name"]) for fields in models if "created" in fields}
    with write(Database(database_url, Access.WRITE), now) as change:
        held = change.models()
        holders = {model.id: model.name for model in held.values()}
        added, changed, unchanged = [], [], []
        position = change.last_position()
        for model in wanted:
            holder = holders.get(model.id, model.name)
            if holder != model.name:
                raise ConflictError(f"model {model.name}: the id {model.id} belongs to {holder}")
            old = held.get(model.name)
            if old is None:
                position += 1
                added.append(dataclasses.replace(model, position=position))
                continue
            if model.name in given_ids and model.id != old.id:
                raise ConflictError(f"model {model.name}: has the id {old.id}, which never changes")
            new = dataclasses.replace(
                model,
                id=old.id,
                created=model.created if model.name in given_created else old.created,
                updated=old.updated,
                position=old.position,
            )
            if new == old:
                unchanged.append(new)
            else:
                changed.append(dataclasses.replace(new, updated=now))
        change.add_models(added)
        change.update_models(changed)
    return ImportReport(*(tuple(model.name for model in group) for group in (added, changed, unchanged)))


def load_documented(database_url: str) -> bool:
    """Imports the documented catalogue into a database that has no models.

    Returns:
        Whether it had none.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    now = int(time.time())
    models = [_from_fields(fields, now) for fields in documented()]
    with write(Database(database_url, Access.WRITE), now) as change:
        if change.last_position():
            return False
        change.add_models([dataclasses.replace(model, position=n) for n, model in enumerate(models, start=1)])
        return True


def documented() -> list[dict[str, Any]]:
    """Returns the fields of the models in the list document."""
    text = (resources.files("modelservice.manage") / "documented.yaml").read_text(encoding="utf-8")
    models: list[dict[str, Any]] = yaml.safe_load(text)["models"]
    return models


def _from_fields(fields: Mapping[str, Any], now: int) -> Model:
    name = fields.get("name")
    for unknown in sorted(set(fields) - _FIELDS):
        raise InvalidValueError(f"model {name}: {unknown}: there is no such field")
    for required in _REQUIRED:
        if required not in fields:
            raise InvalidValueError(f"model {name}: {required}: is missing")
    values = dict(fields)
    for labels in ("capabilities", "compliance"):
        if labels in values:
            values[labels] = _labels(name, labels, values[labels])
    for uuid in ("id", "system_prompt_id"):
        if values.get(uuid) is not None:
            values[uuid] = _uuid(name, uuid, values[uuid])
    values.setdefault("id", uuid4())
    created = values.setdefault("created", now)
    return Model(**values, updated=created, position=0)


def _labels(name: object, field: str, value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidValueError(f"model {name}: {field} is {value!r}: must be a list")
    return tuple(value)


def _uuid(name: object, field: str, value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise InvalidValueError(f"model {name}: {field} is {value!r}: must be a UUID") from None


def _require_unique(field: str, values: Sequence[str]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise ConflictError(f"{field} {value}: stands there twice")
        seen.add(value)
