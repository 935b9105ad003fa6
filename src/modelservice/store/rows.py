"""Converts database rows to domain objects and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from modelservice.domain.fields import BY_NAME
from modelservice.domain.layers import Document, Layer
from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.principal import ApiKey, Client, Organization
from modelservice.domain.values import canonical_json
from modelservice.errors import InvalidValueError

# Columns of a model that are members of the object.
_PLACE = ("name", "position", "created", "updated")


@dataclass(frozen=True, slots=True)
class Record:
    """A row of `models` for writers: a model's identity, whether it is deleted or not.

    Attributes:
        id: Its UUID.
        name: Its name; of a deleted model, its last one.
        organization_id: Its owner; None for a system model.
        parent_id: Its parent; None for a system model.
        position: Its place in lists.
        created: When it was first stored, in Unix seconds.
        updated: When it last changed, in Unix seconds.
        document: Its values.
        deleted: Whether it is deleted.
    """

    id: UUID
    name: str
    organization_id: str | None
    parent_id: UUID | None
    position: int
    created: int
    updated: int
    document: Document
    deleted: bool = False

    @property
    def model(self) -> Model | OrganizationModel:
        """The object that servers make of the row.

        Raises:
            InvalidValueError: A value is outside its bounds.
        """
        place = {"id": self.id, **{name: getattr(self, name) for name in _PLACE}}
        return _model(place, self.organization_id, self.parent_id, self.document)

    def require_valid(self) -> None:
        """Raises an InvalidValueError if a value is outside its bounds."""
        _ = self.model

    def at(self, name: str, document: Document, *, deleted: bool) -> Record:
        """Returns the same model with other contents."""
        return replace(self, name=name, document=document, deleted=deleted)


def model_from_row(row: Mapping[str, Any]) -> Model | OrganizationModel:
    """Returns the model in a row of `models`."""
    place = {"id": _uuid("id", row["id"]), **{name: row[name] for name in _PLACE}}
    parent_id = row["parent_id"] and _uuid("parent_id", row["parent_id"])
    return _model(place, row["organization_id"], parent_id, document_of(row["document"]))


def record_from_row(row: Mapping[str, Any]) -> Record:
    """Returns a row of `models` for writers."""
    return Record(
        id=UUID(row["id"]),
        organization_id=row["organization_id"],
        parent_id=UUID(row["parent_id"]) if row["parent_id"] else None,
        document=document_of(row["document"]),
        deleted=row["deleted"],
        **{name: row[name] for name in _PLACE},
    )


def record_to_row(record: Record) -> dict[str, Any]:
    """Returns the row of `models` for a model, without its revision."""
    return {
        "id": str(record.id),
        "organization_id": record.organization_id,
        "parent_id": str(record.parent_id) if record.parent_id else None,
        "document": canonical_json(record.document),
        "deleted": record.deleted,
        **{name: getattr(record, name) for name in _PLACE},
    }


def layer_from_row(row: Mapping[str, Any]) -> Layer:
    """Returns the layer in a row of `layers`."""
    return Layer(row["source"], row["guessed"], document_of(row["document"]))


def document_of(text: str) -> Document:
    """Returns the JSON object in a column.

    Raises:
        InvalidValueError: It is not a JSON object.
    """
    try:
        document = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidValueError("document: is not a JSON object", "document")
    return document


def key_from_row(row: Mapping[str, Any]) -> ApiKey:
    """Returns the API key in a row of `api_keys`."""
    values = _without_bookkeeping(row)
    # A string is a sequence too, and would be split into letters.
    if not isinstance(values["scopes"], list):
        raise InvalidValueError("scopes: is not a JSON list", "scopes")
    return ApiKey(**values | {"scopes": frozenset(values["scopes"])})


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
    return {name: value for name, value in row.items() if name not in ("revision", "deleted")}


def _model(
    place: Mapping[str, Any], organization_id: str | None, parent_id: UUID | None, document: Document
) -> Model | OrganizationModel:
    for name in document:
        if name not in BY_NAME or name in ("id", "name"):
            raise InvalidValueError(f"{name}: is not a field", "document")
    values = {name: BY_NAME[name].read(value) for name, value in document.items()}
    # A document states when the model was released, which is not when it was stored.
    if organization_id is None:
        return Model(**{**place, **values})
    if parent_id is None:
        raise InvalidValueError("parent_id: is missing", "parent_id")
    return OrganizationModel(**{**place, **values}, organization_id=organization_id, parent_id=parent_id)


def _uuid(name: str, text: str) -> UUID:
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError):
        raise InvalidValueError(f"{name}: is not a UUID", name) from None
