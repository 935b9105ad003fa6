"""Single models: those of organizations, and system models."""

from __future__ import annotations

import dataclasses
import re
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from modelservice.domain.fields import BY_NAME, CHANGEABLE, OWN, check_new
from modelservice.domain.inheritance import check_claims, inherit
from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.values import is_uuid
from modelservice.errors import ConflictError, InvalidValueError, NotFoundError
from modelservice.manage.auditing import audited, difference
from modelservice.manage.organizations import require_organization
from modelservice.manage.system_catalogue import UPDATED
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import Queries, read
from modelservice.store.rows import Sourced
from modelservice.store.writing import Write, write

# Fields of an organization's model that `update_model` can change.
_OWN_FIELDS: Final = frozenset(OWN) - {"name"}


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A reference to a model: its UUID, or its name and its owner (None for a system model)."""

    model: str
    organization_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A model as callers see it, with its rows.

    Attributes:
        model: The model as callers see it.
        sourced: The row of a system model, or None.
        own: The row of an organization's model, or None.
        parent: The row of the system model that `own` inherits from.
    """

    model: Model
    sourced: Sourced | None = None
    own: OrganizationModel | None = None
    parent: Sourced | None = None


@dataclass(frozen=True, slots=True)
class Updated:
    """A model as callers see it, and the names of the fields that changed."""

    model: Model
    fields: tuple[str, ...]


def create_model(
    database_url: str, actor: str, organization_id: str, parent: str, fields: Mapping[str, Any], *, prompt_quota: int
) -> Model:
    """Creates a model of an organization, and returns it as callers see it.

    Args:
        database_url: The database.
        actor: For the audit.
        organization_id: The owner.
        parent: Name or UUID of the system model to inherit from.
        fields: `display_name`, and overrides (`domain.model.OrganizationModel`). Without `name`, a name is derived from
            the display name.
        prompt_quota: Total size of the organization's system prompts, in bytes.

    Raises:
        InvalidValueError: A value is out of bounds, or claims more than the parent has.
        NotFoundError: There is no such organization or parent.
        ConflictError: The name is taken.
    """
    _check_lines(fields)
    values = dict(fields)
    values["name"] = values.get("name") or _slug(str(values["display_name"]))
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        require_organization(change, organization_id)
        found = change.model(parent)
        if found is None:
            raise NotFoundError(f"parent {parent}: there is no such system model")
        base = found.model
        own = OrganizationModel(
            **values,
            id=uuid4(),
            organization_id=organization_id,
            parent_id=base.id,
            created=change.now,
            updated=change.now,
            position=change.last_organization_position() + 1,
        )
        check_claims(own, base)
        if change.model(own.name):
            raise ConflictError(f"model {own.name}: a system model has this name")
        if change.organization_models(organization_id=organization_id, name=own.name):
            raise ConflictError(f"model {own.name}: the organization {organization_id} has one of this name")
        _require_quota(change, own, prompt_quota)
        change.add_organization_model(own)
        recorded = sorted((*_OWN_FIELDS, "name", "parent_id"))
        change.record("models.create", _subject(own), {"changed": audited(difference(None, own, recorded))})
    return inherit(own, base)


def update_model(
    database_url: str,
    actor: str,
    ref: ModelRef,
    fields: Mapping[str, Any],
    *,
    inherited: Collection[str] = (),
    prompt_quota: int,
) -> Updated:
    """Changes a model.

    Args:
        database_url: The database.
        actor: For the audit.
        ref: The model.
        fields: New values. Imports do not overwrite those of a system model.
        inherited: Fields of an organization's model whose override is cleared.
        prompt_quota: Total size of the organization's system prompts, in bytes.

    Raises:
        InvalidValueError: A value is out of bounds, claims more than the parent has, or belongs to the parent.
        NotFoundError: There is no such model.
    """
    _check_lines(fields)
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        found = _existing(change, ref)
        if found.own and found.parent:
            values = {**fields, **dict.fromkeys(inherited)}
            return _update_own(change, found.own, found.parent.model, values, prompt_quota)
        for name in inherited:
            raise InvalidValueError(f"model {found.model.name}: {name}: a system model inherits nothing")
        return _update_system(change, found, fields)


def delete_model(database_url: str, actor: str, ref: ModelRef) -> Model:
    """Deletes a model, and returns it as callers saw it. Its UUID is never used again; its name may be.

    Raises:
        NotFoundError: There is no such model.
        ConflictError: Other models inherit from it.
    """
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        found = _existing(change, ref)
        children = change.organization_models(parent_id=found.model.id)
        if children:
            raise ConflictError(f"model {found.model.name}: {len(children)} models of organizations inherit from it")
        if found.own:
            change.delete_organization_model(found.own.id)
            change.record("models.delete", _subject(found.own), {"id": str(found.own.id)})
        else:
            change.delete_model(found.model.id)
            change.record("models.delete", found.model.name, {"id": str(found.model.id)})
    return found.model


def list_models(database_url: str, organization_id: str | None) -> list[Model]:
    """Returns the models of an organization, or for None the system models, as callers see them.

    Raises:
        NotFoundError: There is no such organization.
    """
    with read(Database(database_url, Access.READ)) as queries:
        if organization_id is None:
            return sorted((item.model for item in queries.models().values()), key=lambda model: model.position)
        require_organization(queries, organization_id)
        parents = {item.model.id: item.model for item in queries.models().values()}
        owned = queries.organization_models(organization_id=organization_id)
        return [inherit(own, parents[own.parent_id]) for own in owned]


def show_model(database_url: str, ref: ModelRef) -> Stored:
    """Returns a model.

    Raises:
        NotFoundError: There is no such model.
    """
    with read(Database(database_url, Access.READ)) as queries:
        return _existing(queries, ref)


def stored(queries: Queries, own: OrganizationModel) -> Stored:
    """Returns an organization's model with its parent."""
    parent = queries.model(str(own.parent_id))
    if parent is None:
        raise AssertionError("a model without its parent")
    return Stored(inherit(own, parent.model), own=own, parent=parent)


def _existing(queries: Queries, ref: ModelRef) -> Stored:
    own: OrganizationModel | None = None
    if ref.organization_id is None:
        sourced = queries.model(ref.model)
        if sourced:
            return Stored(sourced.model, sourced=sourced)
    if is_uuid(ref.model):
        own = queries.organization_model(UUID(ref.model))
    elif ref.organization_id is not None:
        own = next(iter(queries.organization_models(organization_id=ref.organization_id, name=ref.model)), None)
    if own is None or ref.organization_id not in (None, own.organization_id):
        whose = f" of the organization {ref.organization_id}" if ref.organization_id else ""
        raise NotFoundError(f"model {ref.model}: there is no such model{whose}")
    return stored(queries, own)


def _check_lines(fields: Mapping[str, Any]) -> None:
    for name in sorted(BY_NAME.keys() & fields.keys()):
        check_new(name, name, fields[name])


def _update_own(
    change: Write, own: OrganizationModel, parent: Model, fields: Mapping[str, Any], prompt_quota: int
) -> Updated:
    for name in fields:
        if name not in _OWN_FIELDS:
            raise InvalidValueError(f"model {own.name}: {name}: is its parent's")
    new = dataclasses.replace(own, **fields)
    changes = difference(own, new, _OWN_FIELDS)
    if changes:
        # Older overrides may exceed a parent that has shrunk since.
        check_claims(new, parent, changes)
        new = dataclasses.replace(new, updated=change.now)
        _require_quota(change, new, prompt_quota)
        change.update_organization_model(new)
        change.record("models.update", _subject(new), {"changed": audited(changes)})
    return Updated(inherit(new, parent), tuple(sorted(changes)))


def _update_system(change: Write, found: Stored, fields: Mapping[str, Any]) -> Updated:
    for name in fields:
        if name not in CHANGEABLE:
            raise InvalidValueError(f"model {found.model.name}: {name}: cannot be changed")
    new = dataclasses.replace(found.model, **fields)
    changes = difference(found.model, new, CHANGEABLE)
    if changes and found.sourced:
        new = dataclasses.replace(new, updated=change.now)
        sources = {**found.sourced.sources, **dict.fromkeys(changes, UPDATED)}
        change.update_models([Sourced(new, found.sourced.source, sources)])
        change.record("models.update", new.name, {"changed": audited(changes)})
    return Updated(new, tuple(sorted(changes)))


def _require_quota(change: Write, own: OrganizationModel, prompt_quota: int) -> None:
    if not own.system_prompt:
        return
    others = [
        model.system_prompt or ""
        for model in change.organization_models(organization_id=own.organization_id)
        if model.id != own.id
    ]
    size = sum(len(prompt.encode()) for prompt in (*others, own.system_prompt))
    if size > prompt_quota:
        raise InvalidValueError(
            f"model {own.name}: system_prompt: the prompts of {own.organization_id} would have {size} bytes: "
            f"must have at most {prompt_quota}"
        )


def _subject(own: OrganizationModel) -> str:
    return f"{own.organization_id}: {own.name}"


def _slug(display_name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", display_name.lower()).strip("-")[:200]
    suffix = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(6))
    return f"{words or 'model'}-{suffix}"
