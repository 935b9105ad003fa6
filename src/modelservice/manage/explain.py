"""Why a caller sees a model, or does not, and where each of its values comes from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from modelservice.auth.authorize import may_see, viewer
from modelservice.domain.inheritance import FROM_PARENT, INHERITED, LIMITED, OWN, Effective, effective
from modelservice.domain.model import Model
from modelservice.domain.principal import Principal
from modelservice.domain.values import is_uuid
from modelservice.errors import ConflictError, Refusal
from modelservice.manage.models import Stored, stored
from modelservice.manage.system_catalogue import UPDATED
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import Queries, read
from modelservice.store.rows import Sourced

_SHOWN = ("display_name", "provider", "credit_multiplier", *INHERITED)


@dataclass(frozen=True, slots=True)
class Origin:
    """A field, what counts for it, and where that comes from."""

    field: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why things are as they are.

    Attributes:
        visible: Whether the caller can get the model.
        listed: Whether it is in the caller's list.
        rule: Why.
        fields: Its fields; none when there is no such model.
    """

    visible: bool
    listed: bool
    rule: str
    fields: tuple[Origin, ...] = ()


def explain(database_url: str, model: str, *, organization_id: str | None, key_id: str | None) -> Explanation:
    """Explains a model to its operators, as one caller sees it.

    Args:
        database_url: Where.
        model: Its UUID or name.
        organization_id: For whom the caller reads; None for nobody, who sees the system models alone.
        key_id: The caller's key, instead.

    Raises:
        ConflictError: There is no such organization or key.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    with read(Database(database_url, Access.READ)) as queries:
        viewing_for = organization_id
        if organization_id is not None and not queries.organization(organization_id):
            raise ConflictError(f"organization {organization_id}: does not exist")
        if key_id is not None:
            key = queries.key(key_id)
            if key is None:
                raise ConflictError(f"key {key_id}: does not exist")
            if not key.usable(time.time()):
                return Explanation(visible=False, listed=False, rule=f"the key {key_id} is revoked or expired")
            try:
                viewing_for = viewer(Principal(key.organization_id, key.scopes), ())
            except Refusal:
                return Explanation(visible=False, listed=False, rule=f"the key {key_id} lacks the scope models:read")
        found = _find(queries, model, viewing_for)
        if found is None:
            return Explanation(visible=False, listed=False, rule="there is no such model")
        return _explanation(found, viewing_for)


def _find(queries: Queries, model: str, viewing_for: str | None) -> Stored | None:
    sourced = queries.model(model)
    if sourced:
        return Stored(sourced.model, sourced=sourced)
    if is_uuid(model):
        own = queries.organization_model(UUID(model))
        return stored(queries, own) if own else None
    named = queries.organization_models(name=model)
    # The caller's own; else somebody's, to say whose.
    named.sort(key=lambda own: not may_see(viewing_for, own.organization_id))
    return stored(queries, named[0]) if named else None


def _explanation(found: Stored, viewing_for: str | None) -> Explanation:
    owner = found.model.organization_id
    if owner is None:
        visible, rule = True, "a system model: everybody with the scope models:read sees it"
    elif may_see(viewing_for, owner):
        visible, rule = True, f"it belongs to {owner}, for whom the caller reads"
    else:
        visible, rule = False, f"it belongs to {owner}, and the caller reads for {viewing_for or 'no organization'}"
    listed = visible and found.model.enabled
    if visible and not listed:
        disabled = found.own is None or not found.own.enabled
        rule += "; it is not listed: " + ("it is disabled" if disabled else f"{found.model.parent_name} is disabled")
    return Explanation(visible, listed, rule, tuple(_fields(found)))


def _fields(found: Stored) -> list[Origin]:
    model = found.model
    if found.sourced:
        said = [Origin(name, getattr(model, name), _source(found.sourced, name)) for name in ("enabled", *_SHOWN)]
        return [*said, *_derived(model)]
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
        return "nobody said"
    return "models update" if source == UPDATED else f"catalogue {source}"


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value).lower()
