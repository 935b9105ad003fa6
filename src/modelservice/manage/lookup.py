"""Finds models for commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from modelservice.domain.inheritance import inherit
from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.values import is_uuid
from modelservice.errors import ConflictError, NotFoundError
from modelservice.store.queries import Queries
from modelservice.store.rows import Record


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A reference to a model: its UUID, or its name and its owner (None for a system model)."""

    model: str
    organization_id: str | None = None

    def __str__(self) -> str:
        whose = f" of the organization {self.organization_id}" if self.organization_id else ""
        return f"model {self.model}: there is no such model{whose}"


@dataclass(frozen=True, slots=True)
class Stored:
    """A model with its parent, which a system model does not have."""

    record: Record
    parent: Record | None = None

    @property
    def own(self) -> OrganizationModel | None:
        """An organization's model as it is without its parent."""
        return cast(OrganizationModel, self.record.model) if self.parent else None

    @property
    def base(self) -> Model:
        """The system model: this, or the parent."""
        return cast(Model, (self.parent or self.record).model)

    @property
    def model(self) -> Model:
        """The model as callers see it."""
        return inherit(self.own, self.base) if self.own else self.base


def find(queries: Queries, ref: ModelRef) -> Stored:
    """Returns a model.

    Raises:
        NotFoundError: There is no such model.
    """
    if ref.organization_id is None:
        system = queries.system_model(ref.model)
        if system:
            return Stored(system)
    own: Record | None = None
    if is_uuid(ref.model):
        own = queries.records([UUID(ref.model)]).get(UUID(ref.model))
    elif ref.organization_id is not None:
        own = next(iter(queries.organization_models(organization_id=ref.organization_id, name=ref.model)), None)
    if own is None or own.deleted or ref.organization_id not in (None, own.organization_id):
        raise NotFoundError(str(ref))
    return with_parent(queries, own)


def find_deleted(queries: Queries, ref: ModelRef) -> Record:
    """Returns a deleted model.

    Raises:
        NotFoundError: No such model was deleted.
        ConflictError: Several deleted models had this name.
    """
    if is_uuid(ref.model):
        record = queries.records([UUID(ref.model)]).get(UUID(ref.model))
        found = [record] if record and record.deleted and ref.organization_id in (None, record.organization_id) else []
    else:
        found = queries.deleted_models(ref.organization_id, ref.model)
    if not found:
        whose = f" of the organization {ref.organization_id}" if ref.organization_id else ""
        raise NotFoundError(f"model {ref.model}: there is no deleted model{whose} of this name or UUID")
    if len(found) > 1:
        ids = ", ".join(str(record.id) for record in found)
        raise ConflictError(f"model {ref.model}: {len(found)} deleted models had this name: give a UUID: {ids}")
    return found[0]


def with_parent(queries: Queries, record: Record) -> Stored:
    """Returns a model of an organization with its parent."""
    parent = queries.system_model(str(record.parent_id))
    if parent is None:
        raise AssertionError("a model without its parent")
    return Stored(record, parent)
