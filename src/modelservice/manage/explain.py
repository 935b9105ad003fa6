"""Explains why a caller sees a model or not, and where each of its values comes from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from modelservice.auth.authorize import Viewer, viewer
from modelservice.domain.fields import CHANGEABLE
from modelservice.domain.inheritance import FROM_PARENT, LIMITED, OWN, Effective, effective
from modelservice.domain.model import Model
from modelservice.domain.principal import Principal
from modelservice.domain.values import is_uuid
from modelservice.errors import NotFoundError, Refusal
from modelservice.manage.models import Stored, stored
from modelservice.manage.organizations import require_organization
from modelservice.manage.system_catalogue import UPDATED
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import Queries, read
from modelservice.store.rows import Sourced


@dataclass(frozen=True, slots=True)
class Origin:
    """A field, its effective value, and where that comes from."""

    field: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a caller can get a model, whether its list has it, by which rule, and the model's fields."""

    visible: bool
    listed: bool
    rule: str
    fields: tuple[Origin, ...] = ()


def explain(database_url: str, model: str, *, organization_id: str | None, key_id: str | None) -> Explanation:
    """Explains a model, given by UUID or name, as one caller sees it.

    Args:
        database_url: The database.
        model: The model's UUID or name.
        organization_id: The caller's organization; None for a caller who sees only the system models.
        key_id: The caller's key, instead of an organization.

    Raises:
        NotFoundError: There is no such organization or key.
    """
    with read(Database(database_url, Access.READ)) as queries:
        caller = Viewer(organization_id)
        if organization_id is not None:
            require_organization(queries, organization_id)
        if key_id is not None:
            key = queries.key(key_id)
            if key is None:
                raise NotFoundError(f"key {key_id}: does not exist")
            if not key.usable(time.time()):
                return Explanation(visible=False, listed=False, rule=f"the key {key_id} is revoked or expired")
            try:
                caller = viewer(Principal(key.organization_id, key.scopes), ())
            except Refusal:
                return Explanation(visible=False, listed=False, rule=f"the key {key_id} lacks the scope models:read")
        found = _find(queries, model, caller)
        if found is None:
            return Explanation(visible=False, listed=False, rule="there is no such model")
        return _explanation(found, caller)


def _find(queries: Queries, model: str, caller: Viewer) -> Stored | None:
    sourced = queries.model(model)
    if sourced:
        return Stored(sourced.model, sourced=sourced)
    if is_uuid(model):
        own = queries.organization_model(UUID(model))
        return stored(queries, own) if own else None
    named = queries.organization_models(name=model)
    # The caller's own model if there is one. Otherwise any, to name its owner.
    named.sort(key=lambda own: not caller.may_see(own))
    return stored(queries, named[0]) if named else None


def _explanation(found: Stored, caller: Viewer) -> Explanation:
    owner = found.model.organization_id
    if not caller.may_see(found.model, found.parent.model if found.parent else None):
        visible = False
        rule = f"it belongs to {owner or 'the platform'}, but the caller reads for "
        rule += caller.organization_id or "no organization"
    elif owner is None:
        visible, rule = True, "a system model: every caller with the scope models:read sees it"
    else:
        visible, rule = True, f"it belongs to {owner}, which the caller reads for"
    listed = visible and found.model.enabled
    if visible and not listed:
        disabled = found.own is None or not found.own.enabled
        rule += "; it is not listed: " + ("it is disabled" if disabled else f"{found.model.parent_name} is disabled")
    return Explanation(visible, listed, rule, tuple(_fields(found)))


def _fields(found: Stored) -> list[Origin]:
    model = found.model
    if found.sourced:
        rows = [Origin(name, getattr(model, name), _source(found.sourced, name)) for name in CHANGEABLE]
        return [*rows, *_derived(model)]
    if found.own is None or found.parent is None:
        raise AssertionError("an organization's model without its parent")
    parent = found.parent
    rows = [Origin("display_name", model.display_name, OWN)]
    for name, item in effective(found.own, parent.model).items():
        rows.append(Origin(name, item.value, _origin(item, getattr(found.own, name), parent, name)))
    return [*rows, *_derived(model)]


def _origin(item: Effective, own: object, parent: Sourced, name: str) -> str:
    base = f"{parent.model.name} ({_source(parent, name)})"
    if item.origin == FROM_PARENT:
        return f"inherited from {base}"
    if item.origin == LIMITED:
        return f"limited by {base}; own is {_text(own)}"
    return item.origin


def _derived(model: Model) -> list[Origin]:
    permission = "given" if model.permission_id else "derived from the UUID"
    return [
        Origin("supports_reasoning", model.supports_reasoning, "derived from capabilities"),
        Origin("supports_vision", model.supports_vision, "derived from capabilities"),
        Origin("permission", model.permission, permission),
    ]


def _source(item: Sourced, name: str) -> str:
    source = item.sources.get(name)
    if source is None:
        return "not set"
    return "models update" if source == UPDATED else f"catalogue {source}"


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value).lower()
