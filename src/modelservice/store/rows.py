"""Converts database rows to domain objects and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from modelservice.domain.field_kind import Kind
from modelservice.domain.fields import FIELDS
from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.principal import ApiKey, Client, Organization
from modelservice.domain.values import canonical_json
from modelservice.errors import InvalidValueError

_LABELS = [one.name for one in FIELDS if one.kind is Kind.LABELS]
# Columns that are not part of the object that a row stores.
_BOOKKEEPING = {"revision", "deleted", "source", "sources"}
# Fields of `Model` that a system model never has.
_OF_ORGANIZATIONS = {"organization_id", "parent_id", "parent_name"}
_UUIDS = {"id", "parent_id", "system_prompt_id"}
_NULLABLE_UUIDS = {"system_prompt_id"}


@dataclass(frozen=True, slots=True)
class Sourced:
    """A system model with the sources of its values: names of catalogue files, or "update".

    Attributes:
        source: The source that added the model.
        sources: The source of each field that a source has set.
    """

    model: Model
    source: str
    sources: Mapping[str, str] = field(default_factory=dict)


def model_from_row(row: Mapping[str, Any]) -> Model:
    """Returns the model in a row of `models`."""
    return Model(**_values(row))


def sourced_from_row(row: Mapping[str, Any]) -> Sourced:
    """Returns the model in a row of `models`, with its sources."""
    return Sourced(model_from_row(row), row["source"], row["sources"])


def model_to_row(model: Model) -> dict[str, Any]:
    """Returns the row of `models` for a system model, without its bookkeeping."""
    return _row({name: getattr(model, name) for name in Model.__dataclass_fields__ if name not in _OF_ORGANIZATIONS})


def sourced_to_row(item: Sourced) -> dict[str, Any]:
    """Returns the row of `models` for a system model with its sources."""
    return model_to_row(item.model) | {"source": item.source, "sources": dict(item.sources)}


def organization_model_from_row(row: Mapping[str, Any]) -> OrganizationModel:
    """Returns the model in a row of `organization_models`."""
    return OrganizationModel(**_values(row))


def organization_model_to_row(model: OrganizationModel) -> dict[str, Any]:
    """Returns the row of `organization_models` for a model, without its bookkeeping."""
    return _row({name: getattr(model, name) for name in OrganizationModel.__dataclass_fields__})


def key_from_row(row: Mapping[str, Any]) -> ApiKey:
    """Returns the API key in a row of `api_keys`."""
    values = _without_bookkeeping(row)
    return ApiKey(**values | {"scopes": frozenset(_list("scopes", values["scopes"]))})


def key_to_row(key: ApiKey) -> dict[str, Any]:
    """Returns the row of `api_keys` for an API key, without its bookkeeping."""
    row = {name: getattr(key, name) for name in ApiKey.__dataclass_fields__}
    return row | {"scopes": sorted(key.scopes)}


def organization_from_row(row: Mapping[str, Any]) -> Organization:
    """Returns the organization in a row of `organizations`."""
    return Organization(**_without_bookkeeping(row))


def client_from_row(row: Mapping[str, Any]) -> Client:
    """Returns the client in a row of `clients`."""
    return Client(**_without_bookkeeping(row))


def _without_bookkeeping(row: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(row)
    for name in _BOOKKEEPING:
        values.pop(name, None)
    return values


def _list(column: str, value: object) -> list[Any]:
    # A string is a sequence too, and tuple() would split it into letters.
    if not isinstance(value, list):
        raise InvalidValueError(f"{column}: is not a JSON list", column)
    return value


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    values = _without_bookkeeping(row)
    for name in _LABELS:
        values[name] = None if values[name] is None else tuple(_list(name, values[name]))
    name = ""
    try:
        for name in _UUIDS & values.keys():
            values[name] = UUID(values[name]) if values[name] or name not in _NULLABLE_UUIDS else None
        name = "metadata"
        values[name] = None if values[name] is None else json.loads(values[name])
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise InvalidValueError(f"{name}: cannot be read", name) from None
    return values


def _row(values: dict[str, Any]) -> dict[str, Any]:
    for name in _LABELS:
        values[name] = None if values[name] is None else list(values[name])
    for name in _UUIDS & values.keys():
        values[name] = str(values[name]) if values[name] else None
    values["metadata"] = None if values["metadata"] is None else canonical_json(values["metadata"])
    return values
