"""What the catalogue was, what changed, and the way back."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from modelservice.domain.fields import BY_NAME
from modelservice.domain.layers import default_rank, values_differ, without_digests
from modelservice.errors import ConflictError, NotFoundError
from modelservice.manage.lookup import ModelRef, find, find_deleted
from modelservice.manage.outcome import Outcome, audited
from modelservice.manage.past import Past, past, require_kept, revision_of
from modelservice.manage.plan import Plan, title, value_of
from modelservice.manage.purging import PURGE
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import Queries, read
from modelservice.store.rows import Record
from modelservice.store.writing import Write, write

# A revision by number, or by time as `@` and Unix seconds.
Moment = int | str


@dataclass(frozen=True, slots=True)
class Event:
    """A value that changed: what counted before and after a revision, and the sources that changed what they state.

    Attributes:
        revision: The revision.
        time: Its time, in Unix seconds; None if the audit lacks it.
        actor: Who changed it.
        action: By which command.
        sources: The sources whose layers changed.
        field: The field; empty if no value changed.
        before: The value before; private ones as digests.
        after: The value after.
    """

    revision: int
    time: int | None
    actor: str
    action: str
    sources: tuple[str, ...]
    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two revisions: a model that is added or removed, or a value that changes."""

    model: str
    what: str
    field: str = ""
    before: Any = None
    after: Any = None


def history(database_url: str, ref: ModelRef) -> list[Event]:
    """Returns what happened to a model, which may be deleted, oldest first.

    Raises:
        NotFoundError: There is and was no such model.
    """
    with read(Database(database_url, Access.READ)) as queries:
        record = _any_record(queries, ref)
        first, revisions = queries.history_from(), queries.revisions_of(record.id)
        events: list[Event] = []
        before: Mapping[str, Any] = {}
        if any(revision < first for revision in revisions):
            # What was before the first revision is forgotten.
            before = _values(past(queries, first, [record.id]).get(record.id))
            revisions = [revision for revision in revisions if revision > first]
        for revision in revisions:
            after = _values(past(queries, revision, [record.id]).get(record.id))
            sources = sorted({source for _, source, _ in queries.changed_layers(revision, record.id)})
            audit = queries.audit_row(revision)
            about = (
                revision,
                audit.created if audit else None,
                audit.actor if audit else "",
                audit.action if audit else "",
                tuple(sources),
            )
            changes = _difference(record, before, after)
            events += [Event(*about, name, *pair) for name, pair in changes.items()] or [Event(*about, "", None, None)]
            before = after
        return events


def difference(database_url: str, begin: Moment, end: Moment | None) -> list[Change]:
    """Returns what differs in the catalogue between two revisions; `end` None is now.

    Raises:
        NotFoundError: History does not have a revision.
    """
    with read(Database(database_url, Access.READ)) as queries:
        last = queries.revision() if end is None else revision_of(queries, end)
        before, after = past(queries, revision_of(queries, begin)), past(queries, last)
    found: list[Change] = []
    for model_id in {**after, **before}:
        old, new = before.get(model_id), after.get(model_id)
        one = new or old
        if one is None:
            continue
        name = title(one.record, one.name)
        if old is None or new is None:
            found.append(Change(name, "added" if new else "removed"))
        differences = _difference(one.record, _values(old), _values(new))
        found += [Change(name, "changed", field, *pair) for field, pair in differences.items()]
    return found


def show_past(database_url: str, ref: ModelRef, moment: Moment) -> tuple[int, Past]:
    """Returns a model as it was, and the revision.

    Raises:
        NotFoundError: There was no such model, or history does not have the revision.
    """
    with read(Database(database_url, Access.READ)) as queries:
        revision = revision_of(queries, moment)
        for one in past(queries, revision).values():
            is_owner = ref.organization_id in (None, one.record.organization_id)
            is_named = one.name == ref.model and one.record.organization_id == ref.organization_id
            if is_named or (is_owner and str(one.record.id) == ref.model.lower()):
                return revision, one
    raise NotFoundError(f"model {ref.model}: there was no such model at revision {revision}")


def resolve(database_url: str, moment: Moment) -> int:
    """Returns the number of a revision.

    Raises:
        NotFoundError: History does not have it.
    """
    with read(Database(database_url, Access.READ)) as queries:
        revision = revision_of(queries, moment)
        require_kept(queries, revision)
        return revision


def revert(
    database_url: str,
    actor: str,
    revision: int,
    *,
    dry_run: bool = False,
    confirmed: bool = False,
    history_days: int = 0,
) -> Outcome:
    """Undoes a change of the catalogue, as a new change. History does not have private values: they do not come back.

    Raises:
        NotFoundError: History does not have the state before, or the revision changed no model and no source.
        ConflictError: A later revision changed the same. It names the models.
        ConfirmationError: Many models would be removed, and it is not confirmed.
    """
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        require_kept(change, revision)
        recorded = change.audit_row(revision)
        if recorded and recorded.action == PURGE:
            raise NotFoundError(f"revision {revision}: purged values: they are gone")
        layers = change.changed_layers(revision)
        sources = change.changed_ranks(revision)
        if not layers and not sources:
            raise NotFoundError(f"revision {revision}: changed no model and no source")
        require_kept(change, revision - 1)
        _require_last(change, revision, layers, sources)
        plan = Plan(change)
        lost = _restore_layers(plan, change, revision, layers)
        ranked = change.sources(at=revision - 1)
        for name in sources:
            plan.rank(name, ranked[name].rank if name in ranked else default_rank(name))
            plan.touch(list(change.records(change.layered_by(name)).values()))
        outcome = plan.outcome()
        outcome.lost = lost
        if not dry_run:
            outcome.require_confirmed(confirmed=confirmed)
            plan.apply(outcome, "revert", str(revision), history_days=history_days)
        return outcome


def _require_last(
    change: Write, revision: int, layers: Collection[tuple[UUID, str, bool]], sources: Collection[str]
) -> None:
    later = change.changed_after(revision, {model_id for model_id, _, _ in layers}) & set(layers)
    records = change.records({model_id for model_id, _, _ in later})
    names = sorted({title(record) for record in records.values()})
    names += sorted(f"source {name}" for name in change.ranked_after(revision) & set(sources))
    if names:
        raise ConflictError(f"revision {revision}: later revisions changed the same: {', '.join(names)}")


def _restore_layers(plan: Plan, change: Write, revision: int, layers: Collection[tuple[UUID, str, bool]]) -> list[str]:
    """Adds to a plan that layers and names are as they were before a revision. Returns the values that are lost."""
    ids = {model_id for model_id, _, _ in layers}
    records = change.records(ids)
    plan.touch(list(records.values()))
    before = {
        (model_id, *layer.key): layer.document
        for model_id, found in change.model_layers(ids, at=revision - 1).items()
        for layer in found
    }
    lost: list[str] = []
    for model_id, source, guessed in layers:
        now = plan.document(model_id, source, guessed=guessed) or {}
        document, private = without_digests(before.get((model_id, source, guessed), {}), now)
        is_stated = (model_id, source, guessed) in before
        plan.state(model_id, source, document if is_stated else None, guessed=guessed)
        lost += [f"{title(records[model_id])}: {name}" for name in private]
    for model_id, name in change.renamed(revision).items():
        plan.rename(model_id, name)
    return lost


def _any_record(queries: Queries, ref: ModelRef) -> Record:
    try:
        return find(queries, ref).record
    except NotFoundError as error:
        try:
            return find_deleted(queries, ref)
        except NotFoundError:
            raise error from None


def _values(found: Past | None) -> Mapping[str, Any]:
    return {"name": found.name, **found.values} if found else {}


def _difference(record: Record, before: Mapping[str, Any], after: Mapping[str, Any]) -> Mapping[str, Any]:
    pairs = {
        name: (value_of(record, before, name), value_of(record, after, name))
        for name in BY_NAME
        if name in before or name in after
    }
    return audited({name: pair for name, pair in pairs.items() if values_differ(name, *pair)})
