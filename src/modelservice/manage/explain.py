"""Explains why a caller sees a model or not, and where each of its values comes from."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from modelservice.auth.authorize import Viewer, viewer
from modelservice.domain.field_kind import Kind
from modelservice.domain.fields import BY_NAME, CHANGEABLE
from modelservice.domain.inheritance import FROM_PARENT, LIMITED, Effective, effective
from modelservice.domain.layers import HAS, LACKS, MANUAL, ONLY, Layer, in_order, members, merged
from modelservice.domain.principal import Principal
from modelservice.domain.values import is_uuid, shown
from modelservice.errors import NotFoundError, Refusal
from modelservice.manage.lookup import Stored, with_parent
from modelservice.manage.organizations import require_organization
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import Queries, read
from modelservice.store.rows import Record

_UNSET: Final = "not set"


@dataclass(frozen=True, slots=True)
class Origin:
    """A field, its effective value, where that comes from, and the layers that state something else."""

    field: str
    value: Any
    origin: str
    shadowed: tuple[str, ...] = ()


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
        return _explanation(queries, found, caller)


def _find(queries: Queries, model: str, caller: Viewer) -> Stored | None:
    system = queries.system_model(model)
    if system:
        return Stored(system)
    if is_uuid(model):
        own = queries.records([UUID(model)]).get(UUID(model))
        return with_parent(queries, own) if own and not own.deleted else None
    # The caller's own model if there is one. Otherwise any, to name its owner.
    named = [with_parent(queries, record) for record in queries.organization_models(name=model)]
    named.sort(key=lambda one: not caller.may_see(one.model, one.base))
    return named[0] if named else None


def _explanation(queries: Queries, found: Stored, caller: Viewer) -> Explanation:
    owner = found.model.organization_id
    if not caller.may_see(found.model, found.base if found.parent else None):
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
    return Explanation(visible, listed, rule, tuple(_fields(queries, found)))


def _fields(queries: Queries, found: Stored) -> list[Origin]:
    record = found.parent or found.record
    layers = in_order(
        queries.model_layers([record.id]).get(record.id, ()),
        {name: source.rank for name, source in queries.sources().items()},
    )
    model = found.model
    if not found.own:
        return [*(_origin(name, getattr(model, name), layers) for name in CHANGEABLE), *_derived(found)]
    rows = [Origin("display_name", model.display_name, MANUAL)]
    for name, item in effective(found.own, found.base).items():
        rows.append(_of_organization(name, item, getattr(found.own, name), record, layers))
    return [*rows, *_derived(found)]


def _origin(name: str, value: object, layers: Sequence[Layer]) -> Origin:
    """Returns a system model's field with the layers that state it: what counts first."""
    stating = [layer for layer in layers if name in layer.document]
    if not stating:
        return Origin(name, value, "the model's name" if name == "display_name" else _UNSET)
    if BY_NAME[name].kind not in (Kind.LABELS, Kind.OBJECT):
        first, *others = stating
        return Origin(name, value, first.title, tuple(f"{one.title}: {_text(one.document[name])}" for one in others))
    decided = members([layer.document[name] for layer in stating])
    counts: dict[int, list[str]] = {}
    for member, (number, _) in decided.items():
        counts.setdefault(number, []).append(member)
    several = len(counts) > 1
    origin = "; ".join(
        f"{stating[number].title}: {', '.join(found)}" if several else stating[number].title
        for number, found in sorted(counts.items())
    )
    shadowed = [
        f"{layer.title}: {_text(layer.document[name])}"
        for number, layer in enumerate(stating)
        if set(members([layer.document[name]])) - set(counts.get(number, ())) or not (counts or not number)
    ]
    return Origin(name, value, origin or stating[0].title, tuple(shadowed))


def _of_organization(name: str, item: Effective, own: object, parent: Record, layers: Sequence[Layer]) -> Origin:
    inherited = _origin(name, merged(layers).get(name), layers)
    base = f"{parent.name} ({inherited.origin})"
    if item.origin == FROM_PARENT:
        return Origin(name, item.value, f"inherited from {base}", inherited.shadowed)
    if item.origin == LIMITED:
        return Origin(name, item.value, f"limited by {base}", (f"{MANUAL}: {_text(own)}",))
    return Origin(name, item.value, MANUAL)


def _derived(found: Stored) -> list[Origin]:
    model = found.model
    permission = "given" if model.permission_id else "derived from the UUID"
    return [
        Origin("supports_reasoning", model.supports_reasoning, "derived from capabilities"),
        Origin("supports_vision", model.supports_vision, "derived from capabilities"),
        Origin("permission", model.permission, permission),
    ]


def _text(value: object) -> str:
    """Returns a statement in a few words."""
    match value:
        case Mapping():
            has = value.get(HAS, ())
            parts = [*has] if not isinstance(has, Mapping) else [f"{key}={shown(item)}" for key, item in has.items()]
            parts += [f"not {name}" for name in value.get(LACKS, ())]
            return ", ".join([*parts, *(["no others"] if value.get(ONLY) else [])])
        case tuple() | list():
            return ", ".join(map(str, value))
        case None:
            return "none"
        case str():
            return shown(value)
        case _:
            return str(value).lower()
