"""Imports and exports the catalogue of system models."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from modelservice.domain.fields import BY_NAME
from modelservice.domain.model import Model
from modelservice.domain.values import check_line
from modelservice.manage.auditing import Difference, audited, difference
from modelservice.manage.catalogue_file import (
    Entry,
    InvalidCatalogueError,
    checked,
    documented,
    entry_of,
)
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from modelservice.store.rows import Sourced
from modelservice.store.writing import Write, write

# Sources of values. `models update` outranks every import, the documented catalogue every other file.
UPDATED: Final = "update"
DOCUMENTED: Final = "documented"
FILE: Final = "file"


def rank(source: str | None) -> int:
    """Returns a source's rank. A value is replaced by one whose source has the same rank or a higher one."""
    return {UPDATED: 2, DOCUMENTED: 1}.get(source or "", 0)


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A value of a file that another source overrides."""

    model: str
    field: str
    value: Any
    kept: Any
    source: str


@dataclass(slots=True)
class ImportReport:
    """What an import did, or would do, by model name.

    Attributes:
        added: New models.
        changed: Changed models, with the differences.
        unchanged: Models that are the same.
        removed: Models that the source added once and no longer contains.
        disabled: The same, if organizations' models inherit from them.
        not_taken: Values that other sources override.
        held: Skipped entries whose name an organization's model has, with that organization.
    """

    added: list[str] = field(default_factory=list)
    changed: dict[str, Difference] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)
    not_taken: list[NotTaken] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Plan:
    added: list[Sourced] = field(default_factory=list)
    changed: list[Sourced] = field(default_factory=list)
    removed: list[UUID] = field(default_factory=list)
    report: ImportReport = field(default_factory=ImportReport)


def import_catalogue(
    database_url: str,
    actor: str,
    entries: Iterable[Entry],
    *,
    source: str = FILE,
    prune: bool = False,
    dry_run: bool = False,
    leave_held: bool = False,
) -> ImportReport:
    """Adds or changes models: all of them or, on any error, none.

    Importing the same entries again changes nothing. A field that the source set once, and no longer sets, gets its
    default.

    Args:
        database_url: The database.
        actor: For the audit.
        entries: The models (`catalogue_file`).
        source: Name recorded with each value. A later import under the same name replaces the values of an earlier one.
        prune: Remove models that the source added and that are not among the entries.
        dry_run: Return the report, and change nothing.
        leave_held: Skip an entry whose name an organization's model has, instead of raising.

    Raises:
        InvalidValueError: The source has a control character.
        InvalidCatalogueError: Some entries cannot be imported: a value is wrong, a UUID belongs to another model, or an
            organization has a model of the name. It names all of them.
    """
    check_line("source", source)
    wanted = checked(entries)
    now = int(time.time())
    with write(Database(database_url, Access.WRITE), now, actor) as change:
        held = change.holders({values["name"] for values in wanted}) if leave_held else {}
        plan = _plan(change, [values for values in wanted if values["name"] not in held], source, prune=prune)
        plan.report.held = held
        if not dry_run:
            _apply(change, plan, source)
    return plan.report


def load_documented(database_url: str, actor: str) -> bool:
    """Imports the documented catalogue, unless the database ever had a model. Returns whether it was imported."""
    wanted = checked(documented())
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        if change.last_position():
            return False
        _apply(change, _plan(change, wanted, DOCUMENTED, prune=False), DOCUMENTED)
        return True


def export_catalogue(database_url: str) -> list[dict[str, Any]]:
    """Returns an entry for every system model, in catalogue order. Importing them again changes nothing."""
    return [entry_of(item) for item in list_catalogue(database_url)]


def list_catalogue(database_url: str) -> list[Sourced]:
    """Returns every system model, in catalogue order."""
    with read(Database(database_url, Access.READ)) as queries:
        return sorted(queries.models().values(), key=lambda item: item.model.position)


def _plan(change: Write, wanted: Sequence[Mapping[str, Any]], source: str, *, prune: bool) -> _Plan:
    plan = _Plan()
    held = change.models()
    _require_no_conflict(change, wanted, held)
    position = change.last_position()
    for values in wanted:
        name = values["name"]
        if name not in held:
            position += 1
            plan.added.append(_new(values, source, position, change.now))
            plan.report.added.append(name)
            continue
        old = held[name]
        new = _merged(old, values, source, change.now, plan.report.not_taken)
        if new == old:
            plan.report.unchanged.append(name)
        else:
            plan.changed.append(new)
            plan.report.changed[name] = difference(old.model, new.model, BY_NAME)
    if prune:
        _plan_removals(change, plan, held, {values["name"] for values in wanted}, source)
    return plan


def _require_no_conflict(change: Write, wanted: Sequence[Mapping[str, Any]], held: Mapping[str, Sourced]) -> None:
    names = {item.model.id: name for name, item in held.items()}
    used_once = change.taken_ids({values["id"] for values in wanted if "id" in values}) - names.keys()
    conflicts = []
    for values in wanted:
        name, model_id = values["name"], values.get("id")
        if model_id is None:
            continue
        if name in held and held[name].model.id != model_id:
            conflicts.append(f"model {name}: has the id {held[name].model.id}, which never changes")
        elif name not in held and model_id in names:
            conflicts.append(f"model {name}: the id {model_id} belongs to {names[model_id]}")
        elif model_id in used_once:
            conflicts.append(f"model {name}: the id {model_id} was another model's, and is never used again")
    for name, organization_id in change.holders({values["name"] for values in wanted} - held.keys()).items():
        conflicts.append(f"model {name}: the organization {organization_id} has a model of this name")
    if conflicts:
        raise InvalidCatalogueError(conflicts)


def _plan_removals(change: Write, plan: _Plan, held: Mapping[str, Sourced], kept: set[str], source: str) -> None:
    parents = change.parent_ids()
    for name, item in held.items():
        if name in kept or item.source != source:
            continue
        if item.model.id not in parents:
            plan.removed.append(item.model.id)
            plan.report.removed.append(name)
        elif item.model.enabled:
            disabled = dataclasses.replace(item.model, enabled=False, updated=change.now)
            plan.changed.append(Sourced(disabled, item.source, {**item.sources, "enabled": source}))
            plan.report.disabled.append(name)


def _apply(change: Write, plan: _Plan, source: str) -> None:
    if not (plan.added or plan.changed or plan.removed):
        return
    change.add_models(plan.added)
    change.update_models(plan.changed)
    for model_id in plan.removed:
        change.delete_model(model_id)
    report = plan.report
    detail = {
        "added": report.added,
        "changed": {name: audited(changes) for name, changes in report.changed.items()},
        "removed": report.removed,
        "disabled": report.disabled,
    }
    change.record("catalogue.import", source, detail)


def _new(values: Mapping[str, Any], source: str, position: int, now: int) -> Sourced:
    created = values.get("created", now)
    model = Model(**{"id": uuid4(), **values, "created": created, "updated": created, "position": position})
    return Sourced(model, source, {name: source for name in values if name not in ("id", "name")})


def _merged(old: Sourced, values: Mapping[str, Any], source: str, now: int, not_taken: list[NotTaken]) -> Sourced:
    taken: dict[str, Any] = {}
    sources = dict(old.sources)
    for name in BY_NAME:
        current, holder = getattr(old.model, name), old.sources.get(name)
        if name in ("id", "name"):
            continue
        if name not in values:
            if holder == source and name != "created":
                taken[name] = BY_NAME[name].default
                del sources[name]
        elif values[name] != current:
            if rank(holder) > rank(source):
                not_taken.append(NotTaken(old.model.name, name, values[name], current, str(holder)))
            else:
                taken[name], sources[name] = values[name], source
    if not taken:
        return old
    return Sourced(dataclasses.replace(old.model, **taken, updated=now), old.source, sources)
