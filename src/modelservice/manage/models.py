"""Single models: those of organizations, and system models."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID, uuid4

from modelservice.domain.field_kind import Kind
from modelservice.domain.fields import BY_NAME, CHANGEABLE, OWN, check_new
from modelservice.domain.inheritance import check_claims
from modelservice.domain.layers import (
    CREATED,
    DELETED,
    MANUAL,
    Document,
    patched,
    stated,
    stated_whole,
    without_digests,
)
from modelservice.domain.model import Model, OrganizationModel
from modelservice.errors import ConflictError, InvalidValueError, NotFoundError
from modelservice.manage.lookup import ModelRef, Stored, find, find_deleted, with_parent
from modelservice.manage.organizations import require_organization
from modelservice.manage.outcome import Outcome
from modelservice.manage.plan import Plan, title
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from modelservice.store.rows import Record
from modelservice.store.writing import Write, write

# Fields of an organization's model that `update_models` can change.
_OWN_FIELDS: Final = frozenset(OWN) - {"name"}


@dataclass(frozen=True, slots=True)
class Changed:
    """Models as callers see them after a change, in the order of the command, and what changed."""

    models: tuple[Model, ...]
    outcome: Outcome

    @property
    def model(self) -> Model:
        """The only model."""
        (model,) = self.models
        return model

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that changed, of all models."""
        return tuple(sorted({name for values in self.outcome.changed.values() for name in values}))


def create_model(
    database_url: str,
    actor: str,
    organization_id: str | None,
    parent: str | None,
    fields: Mapping[str, Any],
    *,
    prompt_quota: int,
) -> Model:
    """Creates a model, and returns it as callers see it.

    Args:
        database_url: The database.
        actor: For the audit.
        organization_id: The owner; None for a system model.
        parent: Name or UUID of the system model that an organization's model inherits from.
        fields: `display_name`, and other values. Without `name`, a name is derived from the display name. A system
            model needs a `provider`.
        prompt_quota: Total size of an organization's system prompts, in bytes.

    Raises:
        InvalidValueError: A value is out of bounds, or claims more than the parent has.
        NotFoundError: There is no such organization or parent.
        ConflictError: The name is taken.
    """
    values = dict(fields)
    name = values.pop("name", None) or _slug(str(values["display_name"]))
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        base = _parent(change, organization_id, parent)
        record = Record(
            id=uuid4(),
            name=name,
            organization_id=organization_id,
            parent_id=base.id if base else None,
            position=change.last_position() + 1,
            created=change.now,
            updated=change.now,
            document={},
        )
        plan = Plan(change)
        plan.add(record)
        is_system = organization_id is None
        _check(name, values, is_system=is_system)
        document = {CREATED: True, **_statements(values, {}, is_system=is_system)}
        plan.state(record.id, MANUAL, document)
        outcome = plan.outcome()
        plan.apply(outcome, "models.create", title(record))
        created = change.records([record.id])[record.id]
        found = Stored(created, base)
        if found.own:
            check_claims(found.own, found.base)
            _require_quota(change, created, prompt_quota)
        return found.model


def update_models(
    database_url: str,
    actor: str,
    refs: Sequence[ModelRef],
    fields: Mapping[str, Any],
    *,
    unset: Collection[str] = (),
    prompt_quota: int,
    history_days: int = 0,
) -> Changed:
    """Changes models: all of them or, on any error, none.

    Args:
        database_url: The database.
        actor: For the audit.
        refs: The models.
        fields: New values, which outrank those of every other source.
        unset: Fields that get the value of other sources, or of the parent, again.
        prompt_quota: Total size of an organization's system prompts, in bytes.
        history_days: How long history is kept; 0 keeps all of it.

    Raises:
        InvalidValueError: A value is out of bounds, claims more than the parent has, or belongs to the parent.
        NotFoundError: There is no such model.
    """
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        found = _find_all(change, refs)
        plan = Plan(change)
        plan.touch([one.record for one in found])
        for one in found:
            is_system = one.parent is None
            _check(one.record.name, {**fields, **dict.fromkeys(unset)}, is_system=is_system)
            before = plan.document(one.record.id, MANUAL) or {}
            kept = {name: value for name, value in before.items() if name not in unset}
            plan.state(one.record.id, MANUAL, {**kept, **_statements(fields, kept, is_system=is_system)} or None)
        outcome = plan.outcome()
        outcome.shadowed = [item for item in plan.shadowed(MANUAL) if item.field in fields]
        subject = ", ".join(title(one.record) for one in found)
        plan.apply(outcome, "models.update", subject, history_days=history_days)
        after = change.records([one.record.id for one in found])
        models = []
        for one in found:
            new = Stored(after[one.record.id], one.parent)
            changed = outcome.changed.get(title(one.record), {})
            if new.own and changed:
                # Older overrides may exceed a parent that has shrunk since.
                check_claims(new.own, new.base, changed)
                _require_quota(change, new.record, prompt_quota)
            models.append(new.model)
        return Changed(tuple(models), outcome)


def delete_models(
    database_url: str, actor: str, refs: Sequence[ModelRef], *, confirmed: bool = False, history_days: int = 0
) -> Changed:
    """Deletes models, and returns them as callers saw them. Their UUIDs are never used again; their names may be.

    Raises:
        NotFoundError: There is no such model.
        ConflictError: Other models inherit from one.
        ConfirmationError: They are many, and it is not confirmed.
    """
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        found = _find_all(change, refs)
        models = tuple(one.model for one in found)
        plan = Plan(change)
        plan.touch([one.record for one in found])
        for one in found:
            plan.state(one.record.id, MANUAL, {**(plan.document(one.record.id, MANUAL) or {}), DELETED: True})
        outcome = plan.outcome()
        outcome.require_confirmed(confirmed=confirmed)
        subject = ", ".join(title(one.record) for one in found)
        plan.apply(outcome, "models.delete", subject, history_days=history_days)
        return Changed(models, outcome)


def undelete_models(
    database_url: str, actor: str, refs: Sequence[ModelRef], *, name: str | None = None, history_days: int = 0
) -> Changed:
    """Brings deleted models back, with the same UUIDs.

    Args:
        database_url: The database.
        actor: For the audit.
        refs: The models.
        name: Another name for a single model, if its own is taken.
        history_days: How long history is kept; 0 keeps all of it.

    Raises:
        NotFoundError: No such model was deleted.
        ConflictError: A name is taken, the parent is deleted, or no source states the model any longer.
    """
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        found = list({record.id: record for record in (find_deleted(change, ref) for ref in refs)}.values())
        plan = Plan(change)
        plan.touch(found)
        lost: list[str] = []
        for record in found:
            lost += _restate(plan, record, name)
        outcome = plan.outcome()
        outcome.lost = lost
        for record in found:
            shown = title(record, name or "")
            if shown not in outcome.restored:
                raise ConflictError(f"model {shown}: no source states it any longer: import it, or revert the change")
        subject = ", ".join(outcome.restored)
        plan.apply(outcome, "models.undelete", subject, history_days=history_days)
        after = change.records([record.id for record in found])
        models = [
            (with_parent(change, after[record.id]) if record.organization_id else Stored(after[record.id])).model
            for record in found
        ]
        return Changed(tuple(models), outcome)


def list_models(database_url: str, organization_id: str | None) -> list[Model]:
    """Returns the models of an organization, or for None the system models, as callers see them.

    Raises:
        NotFoundError: There is no such organization.
    """
    with read(Database(database_url, Access.READ)) as queries:
        if organization_id is None:
            return [Stored(record).model for record in queries.system_models()]
        require_organization(queries, organization_id)
        owned = queries.organization_models(organization_id=organization_id)
        parents = queries.records({record.parent_id for record in owned if record.parent_id})
        return [Stored(record, parents[cast(UUID, record.parent_id)]).model for record in owned]


def show_model(database_url: str, ref: ModelRef) -> Model:
    """Returns a model as callers see it.

    Raises:
        NotFoundError: There is no such model.
    """
    with read(Database(database_url, Access.READ)) as queries:
        return find(queries, ref).model


def _find_all(change: Write, refs: Sequence[ModelRef]) -> list[Stored]:
    """Returns models, each once: it may be named by name and by UUID."""
    return list({one.record.id: one for one in (find(change, ref) for ref in refs)}.values())


def _parent(change: Write, organization_id: str | None, parent: str | None) -> Record | None:
    if organization_id is None:
        return None
    require_organization(change, organization_id)
    found = change.system_model(parent or "")
    if found is None:
        raise NotFoundError(f"parent {parent}: there is no such system model")
    return found


def _check(model: str, fields: Mapping[str, Any], *, is_system: bool) -> None:
    allowed = CHANGEABLE if is_system else _OWN_FIELDS
    for name, value in fields.items():
        if name not in allowed:
            reason = "cannot be changed" if is_system else "is its parent's"
            raise InvalidValueError(f"model {model}: {name}: {reason}")
        if value is not None:
            field = BY_NAME[name]
            (field.check if is_system else field.own_check)(f"model {model}: {name}", value)
            check_new(name, name, value)


def _statements(fields: Mapping[str, Any], before: Document, *, is_system: bool) -> dict[str, Any]:
    """Returns the statements that fields have values, beside those of before."""
    found = {}
    for name, value in fields.items():
        field = BY_NAME[name]
        if field.kind is Kind.OBJECT and is_system:
            # Members that are not named keep their values.
            statement = stated(field, value)
            # Without members, nothing is stated.
            if statement:
                found[name] = patched(field, before[name], statement) if name in before else statement
        else:
            found[name] = stated_whole(field, value)
    return found


def _restate(plan: Plan, record: Record, name: str | None) -> list[str]:
    """Removes the mark of deletion, and returns the private values that are not there any longer."""
    lost: dict[str, None] = {}
    for layer in plan.layers(record.id):
        document, private = without_digests(layer.document)
        kept = {member: value for member, value in document.items() if member != DELETED}
        # Without a mark or a value, an administrator states nothing.
        plan.state(record.id, layer.source, kept if kept or layer.source != MANUAL else None, guessed=layer.guessed)
        lost |= dict.fromkeys(f"{title(record, name or '')}: {field}" for field in private)
    if name:
        plan.rename(record.id, name)
    return list(lost)


def _require_quota(change: Write, record: Record, prompt_quota: int) -> None:
    own = cast(OrganizationModel, record.model)
    if not own.system_prompt:
        return
    others = [
        str(other.document.get("system_prompt") or "")
        for other in change.organization_models(organization_id=record.organization_id)
        if other.id != record.id
    ]
    size = sum(len(prompt.encode()) for prompt in (*others, own.system_prompt))
    if size > prompt_quota:
        raise InvalidValueError(
            f"model {record.name}: system_prompt: the prompts of {record.organization_id} would have {size} bytes: "
            f"must have at most {prompt_quota}"
        )


def _slug(display_name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", display_name.lower()).strip("-")[:200]
    suffix = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(6))
    return f"{words or 'model'}-{suffix}"
