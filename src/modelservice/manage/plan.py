"""The one kind of change of the catalogue: the layers of models before and after.

Every command that changes models builds a plan within a write, looks at its outcome, and applies it or not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from modelservice.domain.fields import BY_NAME
from modelservice.domain.layers import (
    DELETED,
    MANUAL,
    Document,
    Layer,
    Source,
    default_rank,
    digested,
    documents_differ,
    effective_values,
    exists,
    in_order,
    shadowed,
    values_differ,
)
from modelservice.errors import InvalidValueError
from modelservice.manage.consistency import require_consistent
from modelservice.manage.outcome import Difference, Outcome, Shadowed
from modelservice.store.rows import Record
from modelservice.store.writing import Replaced, Write

_DAY: Final = 86_400
# An organization's model has its parent's provider.
_REQUIRED: Final = ("display_name", "provider")

# A source, and whether its layer holds what its importer guessed.
Key = tuple[str, bool]


@dataclass(slots=True)
class _Touched:
    """A model that a plan looks at, with its layers before and after the plan."""

    record: Record
    name: str
    before: Mapping[Key, Document] = field(default_factory=dict)
    after: dict[Key, Document] = field(default_factory=dict)
    is_new: bool = False

    @property
    def title(self) -> str:
        return title(self.record, self.name)

    @property
    def was_there(self) -> bool:
        return not self.is_new and not self.record.deleted

    @property
    def is_deleted(self) -> bool:
        return DELETED in self.after.get((MANUAL, False), {})

    def layers(self) -> list[Layer]:
        return [Layer(*key, document) for key, document in self.after.items()]

    def replaced(self) -> list[Replaced]:
        """Returns the layers that change."""
        return [
            (key, self.before.get(key), self.after.get(key))
            for key in {**self.before, **self.after}
            if documents_differ(self.before.get(key), self.after.get(key))
        ]

    def keep_disabled(self) -> None:
        """Keeps the layers that the plan withdraws, but disables the model: its children inherit from it."""
        kept = {key: document if key[1] else {**document, "enabled": False} for key, document in self.before.items()}
        self.after = {**kept, **self.after}
        for key, document in self.after.items():
            if document.get("enabled"):
                self.after[key] = {**document, "enabled": False}


class Plan:
    """A change of the catalogue.

    Args:
        change: The write that it is applied with, if it is.
    """

    def __init__(self, change: Write) -> None:
        self._change = change
        self._sources = change.sources()
        self._ranks = {name: source.rank for name, source in self._sources.items()}
        self._touched: dict[UUID, _Touched] = {}
        self._added: list[Record] = []
        self._changed: list[Record] = []
        self._renamed: list[Record] = []

    def touch(self, records: Collection[Record]) -> None:
        """Looks at stored models, deleted ones too."""
        new = [record for record in records if record.id not in self._touched]
        layers = self._change.model_layers({record.id for record in new})
        for record in new:
            before = {layer.key: layer.document for layer in layers.get(record.id, ())}
            self._touched[record.id] = _Touched(record, record.name, before, dict(before))

    def add(self, record: Record) -> None:
        """Adds a model. Its values are what layers state."""
        self._touched[record.id] = _Touched(record, record.name, is_new=True)

    @property
    def new(self) -> dict[str, Record]:
        """The system models that the plan adds, by name."""
        new = [one.record for one in self._touched.values() if one.is_new]
        return {record.name: record for record in new if record.organization_id is None}

    def incomplete(self) -> list[str]:
        """Returns the names of models about which the plan states something, and that nevertheless do not exist."""
        return [
            one.name
            for one in self._touched.values()
            if any(after is not None for _, _, after in one.replaced())
            and not one.is_deleted
            and not exists(one.layers())
        ]

    def layers(self, model_id: UUID) -> list[Layer]:
        """Returns the layers of a model after the plan, by precedence."""
        return in_order(self._touched[model_id].layers(), self._ranks)

    def document(self, model_id: UUID, source: str, *, guessed: bool = False) -> Document | None:
        """Returns what a source states about a model after the plan."""
        return self._touched[model_id].after.get((source, guessed))

    def state(self, model_id: UUID, source: str, document: Document | None, *, guessed: bool = False) -> None:
        """Replaces what a source states about a model; None withdraws it."""
        after = self._touched[model_id].after
        if document is None:
            after.pop((source, guessed), None)
        else:
            after[source, guessed] = document

    def rename(self, model_id: UUID, name: str) -> None:
        """Gives a model another name."""
        self._touched[model_id].name = name

    def rank(self, source: str, rank: int) -> None:
        """Changes the rank of a source. The caller touches its models."""
        self._ranks[source] = rank

    def outcome(self) -> Outcome:
        """Returns what the plan does.

        Raises:
            InvalidValueError: A model would have a value that is out of bounds.
            ConflictError: A name is taken, or a model would have no parent.
            NotFoundError: A model would have no organization.
        """
        found = Outcome(total=self._change.count_system_models())
        parents = self._change.parents_among(self._touched.keys())
        self._added, self._changed, self._renamed = [], [], []
        for one in self._touched.values():
            self._judge(one, found, has_children=one.record.id in parents)
        after = {record.id: record for record in (*self._added, *self._changed)}
        require_consistent(self._change, [*self._added, *self._renamed], after)
        for name, rank in self._ranks.items():
            before = self._sources[name].rank if name in self._sources else default_rank(name)
            if rank != before:
                found.ranks[name] = (before, rank)
        return found

    def shadowed(self, source: str) -> list[Shadowed]:
        """Returns the values that a source states about the plan's models, and that do not count."""
        return [
            Shadowed(one.title, *values)
            for one in self._touched.values()
            if not one.is_deleted
            for values in shadowed(source, self.layers(one.record.id))
        ]

    def apply(self, outcome: Outcome, action: str, subject: str, *, history_days: int = 0) -> None:
        """Writes the plan with an audit row. A plan that changes nothing leaves no trace.

        Args:
            outcome: The plan's outcome.
            action: For the audit.
            subject: For the audit.
            history_days: How long history is kept; 0 keeps all of it.
        """
        if not outcome.is_empty:
            self._change.record(action, subject, outcome.detail)
            self.write(outcome, history_days=history_days)

    def write(self, outcome: Outcome, *, history_days: int = 0) -> None:
        """Writes the plan without an audit row, which the caller records."""
        change = self._change
        # Names of deleted models become free first.
        change.put_models(self._added, sorted(self._changed, key=lambda record: not record.deleted))
        change.put_states(self._added, self._renamed)
        replaced = {uuid: found for uuid, one in self._touched.items() if (found := one.replaced())}
        change.put_layers(replaced)
        used = {source for found in replaced.values() for (source, _), _, _ in found} | outcome.ranks.keys()
        wanted = [Source(name, self._ranks.get(name, default_rank(name))) for name in sorted(used)]
        change.put_sources([source for source in wanted if self._sources.get(source.name) != source])
        if history_days:
            change.forget_before(change.revision_at(change.now - history_days * _DAY))

    def _judge(self, one: _Touched, found: Outcome, *, has_children: bool) -> None:
        is_there, is_kept = exists(one.layers()), False
        if one.is_deleted:
            one.after = {key: digested(document) for key, document in one.after.items()}
        elif one.was_there and not is_there and has_children:
            one.keep_disabled()
            is_there = is_kept = True
        values = self._values(one) if is_there else {}
        changes = _difference(one.record, values)
        # Deleted models may have had the name of one that is there.
        if is_there or one.was_there or one.title not in found.ids:
            found.ids[one.title] = str(one.record.id)
        if is_kept and one.replaced():
            found.disabled[one.title] = changes
        elif is_there and not one.was_there:
            (found.added if one.is_new else found.restored)[one.title] = changes
        elif one.was_there and not is_there:
            found.removed[one.title] = changes
        elif changes:
            found.changed[one.title] = changes
        else:
            (found.restated if one.replaced() else found.unchanged).append(one.title)
            if one.is_deleted:
                found.deleted.append(one.title)
        self._write_later(one, one.record.at(one.name, values, deleted=not is_there), is_changed=bool(changes))

    def _write_later(self, one: _Touched, after: Record, *, is_changed: bool) -> None:
        if one.is_new:
            # A model begins with its release, where a source states that.
            self._added.append(dataclasses.replace(after, updated=after.document.get("created", after.created)))
        elif is_changed or after != one.record:
            is_renamed = (after.name, after.deleted) != (one.record.name, one.record.deleted)
            # Stating what was only implied changes the row, and nothing that callers see.
            updated = self._change.now if is_changed or is_renamed else after.updated
            after = dataclasses.replace(after, updated=updated)
            self._changed.append(after)
            if is_renamed:
                self._renamed.append(after)
        if not after.deleted:
            after.require_valid()

    def _values(self, one: _Touched) -> Document:
        is_system = one.record.organization_id is None
        values = effective_values(one.name, self.layers(one.record.id), is_system=is_system)
        for name in _REQUIRED if is_system else _REQUIRED[:1]:
            if name not in values:
                raise InvalidValueError(f"model {one.name}: {name}: is missing: no source states it")
        return values


def title(record: Record, name: str = "") -> str:
    """Returns what reports call a model."""
    shown = name or record.name
    return f"{record.organization_id}: {shown}" if record.organization_id else shown


def values_before(record: Record) -> Mapping[str, Any]:
    """Returns the values of a model that exists; nothing of a deleted one."""
    return {} if record.deleted else record.document


def _difference(record: Record, after: Document) -> Difference:
    before = values_before(record)
    pairs = {
        name: (value_of(record, before, name), value_of(record, after, name))
        for name in BY_NAME
        if name in before or name in after
    }
    return {name: pair for name, pair in pairs.items() if values_differ(name, *pair)}


def value_of(record: Record, values: Document, name: str) -> Any:  # noqa: ANN401  (a value of any field)
    """Returns a field of merged values, which lack defaults; None of a model without values, which does not exist."""
    if name in values or not values:
        return values.get(name)
    if name == "created":
        return record.created
    one = BY_NAME[name]
    return one.plain(one.default) if record.organization_id is None or not one.is_inherited else None
