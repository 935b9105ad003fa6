"""Imports and exports the catalogue of system models."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from modelservice.domain.field_kind import Field, Kind
from modelservice.domain.fields import BY_NAME
from modelservice.domain.layers import (
    DOCUMENTED,
    HAS,
    LACKS,
    MANUAL,
    ONLY,
    PRIVATE,
    Document,
    Layer,
    digest,
    in_order,
    patched,
    stated_difference,
    values_differ,
    without_digests,
)
from modelservice.domain.values import check_line, check_text
from modelservice.errors import InvalidValueError
from modelservice.manage.catalogue_file import Entry, InvalidCatalogueError, Statement, checked, documented, entry_of
from modelservice.manage.outcome import Outcome
from modelservice.manage.past import Past, names_of, past
from modelservice.manage.plan import Plan
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from modelservice.store.rows import Record
from modelservice.store.writing import Write, write

# The source of entries that come from no file.
FILE: Final = "file"


@dataclass(frozen=True, slots=True)
class Part:
    """What one source states in an import.

    Attributes:
        source: Its name. A later import under the same name replaces what an earlier one states about the same models.
        entries: The models (`catalogue_file`).
        revision: The mark of the revision at which the entries were exported: only what differs from it is stated.
    """

    source: str
    entries: Iterable[Entry]
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """The system models at a revision, as the entries of a catalogue file, and the mark of the revision."""

    revision: str
    models: list[Entry]


def import_catalogue(
    database_url: str,
    actor: str,
    entries: Iterable[Entry],
    *,
    source: str = FILE,
    **options: Any,  # noqa: ANN401
) -> Outcome:
    """Imports the entries of one source (`import_parts`)."""
    return import_parts(database_url, actor, [Part(source, entries)], **options)


def import_parts(  # noqa: PLR0913  (an option each)
    database_url: str,
    actor: str,
    parts: Sequence[Part],
    *,
    prune: bool = False,
    dry_run: bool = False,
    guesses: bool = False,
    leave_held: bool = False,
    confirmed: bool = False,
    refuse_shadowed: bool = False,
    history_days: int = 0,
) -> Outcome:
    """Replaces what sources state about models: all of it or, on any error, nothing.

    Importing the same entries again changes nothing.

    Args:
        database_url: The database.
        actor: For the audit.
        parts: What each source states.
        prune: Withdraw what the sources state about models that are not among their entries.
        dry_run: Return the outcome, and change nothing.
        guesses: Whether entries have guesses apart from statements.
        leave_held: Skip an entry whose name an organization's model has, instead of raising.
        confirmed: Remove many models, too.
        refuse_shadowed: Change nothing if a value does not count.
        history_days: How long history is kept; 0 keeps all of it.

    Raises:
        InvalidValueError: A source's name cannot be one.
        InvalidCatalogueError: Some entries cannot be imported: a value is wrong, a UUID belongs to another model, or an
            organization has a model of the name. It names all of them.
        NotFoundError: History does not have an export's revision.
        ConfirmationError: Many models would be removed, and it is not confirmed.
    """
    stated = []
    for part in parts:
        check_source(part.source)
        if part.source == MANUAL:
            raise InvalidValueError(f"source {MANUAL}: is reserved for `models update`: use another name")
        required = {"required": ("name",)} if part.revision is not None else {}
        stated.append((part, checked(part.entries, guesses=guesses, **required)))
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        plan = Plan(change)
        names = {one.name for _, statements in stated for one in statements}
        held = change.holders(names) if leave_held else {}
        # A model has its UUID from whichever source states that.
        ids = {one.name: one.id for _, statements in reversed(stated) for one in statements if one.id}
        for part, statements in stated:
            _state(plan, change, part, [one for one in statements if one.name not in held], ids, prune=prune)
        _require_all_there(plan, names)
        outcome = plan.outcome()
        outcome.held = held
        outcome.shadowed = [item for part in parts for item in plan.shadowed(part.source)]
        if not dry_run and not (refuse_shadowed and outcome.shadowed):
            outcome.require_confirmed(confirmed=confirmed)
            subject = ", ".join(dict.fromkeys(part.source for part in parts))
            plan.apply(outcome, "catalogue.import", subject, history_days=history_days)
        return outcome


def check_source(name: str) -> None:
    """Raises an InvalidValueError unless a source can have this name."""
    check_line("source", name)
    check_text("source", name, shortest=1, longest=200)


def load_documented(database_url: str, actor: str) -> bool:
    """Imports the documented catalogue, unless the database ever had a model. Returns whether it was imported."""
    statements = documented()
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        if change.last_position():
            return False
        plan = Plan(change)
        ids = {one.name: one.id for one in statements if one.id}
        _state(plan, change, Part(DOCUMENTED, ()), statements, ids, prune=False)
        plan.apply(plan.outcome(), "catalogue.import", DOCUMENTED)
        return True


def export_catalogue(database_url: str, revision: int | None = None) -> Export:
    """Returns the system models in catalogue order, now or at a revision.

    Raises:
        NotFoundError: History does not have the revision.
    """
    with read(Database(database_url, Access.READ)) as queries:
        if revision is None:
            records = queries.system_models()
            return Export(
                queries.mark(queries.revision()), [_entry(record.name, record, record.document) for record in records]
            )
        # Of what was purged, history has names alone.
        found = {name: one for name, one in names_of(past(queries, revision)).items() if "provider" in one.values}
        return Export(queries.mark(revision), [_entry(name, one.record, one.values) for name, one in found.items()])


def list_catalogue(database_url: str) -> list[tuple[Record, list[Layer]]]:
    """Returns every system model with its layers by precedence, in catalogue order."""
    with read(Database(database_url, Access.READ)) as queries:
        layers = queries.model_layers()
        ranks = {name: source.rank for name, source in queries.sources().items()}
        return [(record, in_order(layers.get(record.id, ()), ranks)) for record in queries.system_models()]


def _require_all_there(plan: Plan, names: Collection[str]) -> None:
    """Raises an InvalidCatalogueError if a model is stated without what one must have."""
    incomplete = [name for name in plan.incomplete() if name in names]
    if incomplete:
        raise InvalidCatalogueError([f"model {name}: provider: is missing: no source states it" for name in incomplete])


def _state(
    plan: Plan,
    change: Write,
    part: Part,
    statements: Sequence[Statement],
    stated_ids: Mapping[str, UUID],
    *,
    prune: bool,
) -> None:
    """Adds to a plan what a source states."""
    base = _exported(change, part.revision) if part.revision else {}
    models = _models(change, statements, plan.new)
    plan.touch([record for record in models.values() if record and record.name not in plan.new])
    then = _stated_then(change, part, base)
    position = max([change.last_position(), *(record.position for record in plan.new.values())])
    ids: set[UUID] = set()
    for one in statements:
        record = models[one.name]
        if record is None:
            position += 1
            record = _new(one.name, stated_ids.get(one.name), position, change.now)
            plan.add(record)
        ids.add(record.id)
        document: Document | None = one.document
        if one.name in base:
            # Not what it states now: an earlier import of the same file may have stated what has been edited since.
            before = _with_private(then.get(record.id), plan.document(record.id, part.source))
            document = _difference(before, one.document, base[one.name])
        plan.state(record.id, part.source, document)
        if part.revision is None:
            plan.state(record.id, part.source, one.guesses or None, guessed=True)
    if prune:
        withdraw(plan, change, part.source, ids)


def withdraw(plan: Plan, change: Write, source: str, kept: Collection[UUID] = ()) -> None:
    """Adds to a plan that a source states nothing about models, but for those that are kept."""
    gone = [model_id for model_id in change.layered_by(source) if model_id not in kept]
    plan.touch(in_catalogue_order(change.records(gone).values()))
    for model_id in gone:
        for guessed in (False, True):
            plan.state(model_id, source, None, guessed=guessed)


def in_catalogue_order(records: Iterable[Record]) -> list[Record]:
    """Returns models as a list has them, which is how reports show them."""
    return sorted(records, key=lambda record: record.position)


def _exported(change: Write, mark: str) -> dict[str, Past]:
    """Returns the system models as they were exported, by name.

    Raises:
        InvalidValueError: Another database, or history before a restored backup, has this revision.
        NotFoundError: History does not have it any longer.
    """
    revision = _number(mark)
    if change.mark(revision) != mark:
        raise InvalidValueError(
            f"revision {mark}: is another database's or was replaced by a restore: "
            "remove `revision` from the file to state all of its values"
        )
    return names_of(past(change, revision))


def _number(mark: str) -> int:
    return int(mark.partition("-")[0])


def _stated_then(change: Write, part: Part, base: Mapping[str, Past]) -> dict[UUID, Document]:
    """Returns what a source stated about models when its file was exported."""
    if part.revision is None:
        return {}
    ids = [one.record.id for one in base.values()]
    layers = change.model_layers(ids, at=_number(part.revision))
    return {
        model_id: layer.document
        for model_id, found in layers.items()
        for layer in found
        if layer.key == (part.source, False)
    }


def _with_private(then: Document | None, now: Document | None) -> Document | None:
    """Returns what a source stated, with the private values that it states now in place of their digests."""
    if then is None:
        return None
    known, lost = without_digests(then)
    return {**known, **{name: now[name] for name in lost if now and name in now}}


def _difference(before: Document | None, statements: Document, base: Past) -> Document | None:
    """Returns what a source stated before, and what its statements change in the values that were exported."""
    document = dict(before or {})
    for name, statement in statements.items():
        field = BY_NAME[name]
        old = base.values.get(name, base.record.created if name == "created" else field.plain(field.default))
        if field.kind in (Kind.LABELS, Kind.OBJECT) and (LACKS in statement or {HAS, ONLY} <= statement.keys()):
            # More than a value: it is not what an export has.
            document[name] = statement
            continue
        new = _value(field, statement)
        if name in PRIVATE and isinstance(old, Mapping) and isinstance(new, str):
            new = digest(new)
        if values_differ(name, new, old):
            difference = stated_difference(field, old, _value(field, statement))
            document[name] = patched(field, document[name], difference) if name in document else difference
    return document if document or before is not None else None


def _value(field: Field, statement: Any) -> Any:  # noqa: ANN401  (JSON)
    """Returns the value of a field that an entry states."""
    if field.kind is Kind.LABELS:
        return statement.get(HAS, [])
    return statement.get(HAS, {}) if field.kind is Kind.OBJECT else statement


def _models(change: Write, statements: Sequence[Statement], new: Mapping[str, Record]) -> dict[str, Record | None]:
    """Returns the stored model of each statement, deleted ones too; None where it is new.

    Raises:
        InvalidCatalogueError: Names and UUIDs contradict what is stored.
    """
    there = {**{record.name: record for record in change.system_models()}, **new}
    # Of several deleted models of a name, the last.
    deleted = {record.name: record for record in reversed(change.deleted_models(None))}
    by_id = change.records({one.id for one in statements if one.id})
    by_id |= {record.id: record for record in new.values()}
    found: dict[str, Record | None] = {}
    conflicts = []
    for one in statements:
        record, holder = there.get(one.name), by_id.get(one.id) if one.id else None
        if one.id is None:
            found[one.name] = record or deleted.get(one.name)
        elif record and record.id != one.id:
            conflicts.append(f"model {one.name}: has the id {record.id}, which never changes")
        elif holder and not holder.deleted and holder.name != one.name:
            conflicts.append(f"model {one.name}: the id {one.id} belongs to {holder.name}")
        elif holder and (holder.name != one.name or holder.organization_id is not None):
            conflicts.append(f"model {one.name}: the id {one.id} was another model's, and is never used again")
        else:
            found[one.name] = record or holder
    # A deleted model takes no name.
    names = {one.name for one in statements} - there.keys() - {name for name, record in found.items() if record}
    for name, organization_id in change.holders(names).items():
        conflicts.append(f"model {name}: the organization {organization_id} has a model of this name")
    if conflicts:
        raise InvalidCatalogueError(conflicts)
    return found


def _new(name: str, model_id: UUID | None, position: int, now: int) -> Record:
    return Record(
        id=model_id or uuid4(),
        name=name,
        organization_id=None,
        parent_id=None,
        position=position,
        created=now,
        updated=now,
        document={},
    )


def _entry(name: str, record: Record, values: Document) -> Entry:
    return entry_of(name, record.id, int(values.get("created", record.created)), values)
