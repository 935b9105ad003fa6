"""Rows of the database from and to the service's own things."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from modelservice.domain.model import LABELS, Model, OrganizationModel
from modelservice.domain.principal import ApiKey, Client, Organization
from modelservice.domain.values import canonical_json
from modelservice.errors import InvalidValueError

# What every row says beside the thing that it holds.
_BOOKKEEPING = {"revision", "deleted", "source", "sources"}
# Of a `Model`, what a row of `models` does not hold: a system model has none of it.
_OF_ORGANIZATIONS = {"organization_id", "parent_id", "parent_name"}
_UUIDS = {"id", "parent_id", "system_prompt_id"}
_NULLABLE_UUIDS = {"system_prompt_id"}


def model_from_row(row: Mapping[str, Any]) -> Model:
    """Returns the model that a row of `models` holds."""
    return Model(**_values(row))


def model_to_row(model: Model) -> dict[str, Any]:
    """Returns the row of `models` for a system model, without its bookkeeping."""
    return _row({name: getattr(model, name) for name in Model.__dataclass_fields__ if name not in _OF_ORGANIZATIONS})


def organization_model_from_row(row: Mapping[str, Any]) -> OrganizationModel:
    """Returns the model that a row of `organization_models` holds."""
    return OrganizationModel(**_values(row))


def organization_model_to_row(model: OrganizationModel) -> dict[str, Any]:
    """Returns the row of `organization_models` for a model, without its bookkeeping."""
    return _row({name: getattr(model, name) for name in OrganizationModel.__dataclass_fields__})


def key_from_row(row: Mapping[str, Any]) -> ApiKey:
    """Returns the API key that a row of `api_keys` holds."""
    values = _without_bookkeeping(row)
    return ApiKey(**values | {"scopes": frozenset(_listed("scopes", values["scopes"]))})


def key_to_row(key: ApiKey) -> dict[str, Any]:
    """Returns the row of `api_keys` for an API key, without its bookkeeping."""
    row = {name: getattr(key, name) for name in ApiKey.__dataclass_fields__}
    return row | {"scopes": sorted(key.scopes)}


def organization_from_row(row: Mapping[str, Any]) -> Organization:
    """Returns the organization that a row of `organizations` holds."""
    return Organization(**_without_bookkeeping(row))


def client_from_row(row: Mapping[str, Any]) -> Client:
    """Returns the client that a row of `clients` holds."""
    return Client(**_without_bookkeeping(row))


def _without_bookkeeping(row: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(row)
    for name in _BOOKKEEPING:
        values.pop(name, None)
    return values


def _listed(column: str, value: object) -> list[Any]:
    # Not tuple(value) at once: a text is a sequence too, of letters.
    if not isinstance(value, list):
        raise InvalidValueError(f"{column}: is not a JSON list", column)
    return value


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    values = _without_bookkeeping(row)
    for name in LABELS:
        values[name] = None if values[name] is None else tuple(_listed(name, values[name]))
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
    for name in LABELS:
        values[name] = None if values[name] is None else list(values[name])
    for name in _UUIDS & values.keys():
        values[name] = str(values[name]) if values[name] else None
    values["metadata"] = None if values["metadata"] is None else canonical_json(values["metadata"])
    return values
