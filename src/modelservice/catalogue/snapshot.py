"""The catalogue at one revision: immutable, and all that requests are answered from."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, TypeVar
from uuid import UUID

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.auth.authorize import Viewer
from modelservice.catalogue.listing import Listing
from modelservice.catalogue.query.filtered_list import FilteredList, choose
from modelservice.catalogue.query.list_query import Query
from modelservice.catalogue.render_cache import RenderedCache
from modelservice.catalogue.rendering import Answer, Entry, render_entry
from modelservice.domain.inheritance import inherit
from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.principal import ApiKey, Client
from modelservice.domain.values import is_model_name, is_uuid
from modelservice.errors import INVALID_REQUEST, MODEL_NOT_FOUND, Refusal
from modelservice.store.changes import MODELS, Changes, Revision

_ID_RULE: Final = "model_id: must be a UUID or a model's name: 1-256 letters, digits and . _ : @ / -"
_NO_PARENT: Final = "parent_id: the parent is missing or left out"

# A row of the database: its table and id.
Row = tuple[str, str]
# An organization's models by name, in their order.
Owned = Mapping[str, OrganizationModel]

T = TypeVar("T", ApiKey, Client)


@dataclass(frozen=True)
class Snapshot:
    """The catalogue at one revision.

    It holds the models of every organization. Each read asks a `Viewer` which of them the caller sees.

    Attributes:
        revision: The revision.
        keys: API keys by id.
        clients: Clients by id.
        entries: System models by UUID.
        names: The same by name, in catalogue order.
        listing: List of the system models.
        owned: Organizations' models by organization.
        records: The same by UUID.
        rendered: Answers for organizations, rendered on their first read.
        unusable: Rows that cannot be read or rendered, with reasons.
        orphans: Organizations' models without a parent.
    """

    revision: Revision
    keys: Mapping[str, ApiKey]
    clients: Mapping[str, Client]
    entries: Mapping[UUID, Entry]
    names: Mapping[str, Entry]
    listing: Listing
    owned: Mapping[str, Owned]
    records: Mapping[UUID, OrganizationModel]
    rendered: RenderedCache
    unusable: Mapping[Row, str]
    orphans: Mapping[UUID, OrganizationModel]

    @cached_property
    def ready(self) -> Snapshot:
        """The same, but for reads without filters: it raises a `NotReadyError` where an answer must be rendered."""
        return replace(self, rendered=self.rendered.ready_only())

    @property
    def left_out(self) -> Mapping[Row, str]:
        """Rows that are not served, with reasons."""
        orphans = {(MODELS, str(uuid)): _NO_PARENT for uuid in self.orphans}
        failed = {
            (MODELS, str(model.id)): "cannot be rendered"
            for _, (model, *_) in self.rendered.failed
            if isinstance(model, OrganizationModel) and self.records.get(model.id) is model
        }
        return {**self.unusable, **orphans, **failed} if orphans or failed else self.unusable

    def list(self, viewer: Viewer) -> Answer:
        """Returns the answer of ListModels without filters, order or pages."""
        groups, sees_system = self._groups(viewer), viewer.sees_all(None)
        if sees_system and not groups:
            return self.listing.alone

        def render() -> Answer:
            visible = (entry for entry in self.names.values() if viewer.may_see(entry.model))
            system = self.listing if sees_system else Listing(tuple(visible))
            return system.followed_by(self._own(viewer))

        # Every change of a system model makes a new listing.
        return self.rendered.get(viewer, (self.listing, *groups), render)

    def choose(self, request: pb.ListModelsRequest, viewer: Viewer) -> FilteredList:
        """Returns the answer of ListModels to a request with filters, order or pages.

        Raises:
            Refusal: `INVALID_REQUEST`: the message names the field and what it takes.
        """
        return choose(Query.of(request, viewer, self.revision.secret), self.listing, self._own(viewer))

    def get(self, model_id: str, viewer: Viewer) -> Answer:
        """Returns the answer of GetModel for a UUID, in upper or lower case, or a model's name.

        Raises:
            Refusal: `INVALID_REQUEST`: neither a UUID nor a possible name; `MODEL_NOT_FOUND`: the model does not exist
                or is invisible to the caller, with the same message.
        """
        return self._entry_of(model_id, viewer).get

    def list_in(self, dialect: str, viewer: Viewer, render: Callable[[Sequence[Entry]], Answer]) -> Answer:
        """Returns the list in another dialect, rendered on its first read.

        Args:
            dialect: Its name.
            viewer: The caller.
            render: Renders the models that the caller sees.
        """

        def make() -> Answer:
            visible = [entry for entry in self.names.values() if viewer.may_see(entry.model)]
            return render([entry for entry in (*visible, *self._own(viewer)) if entry.model.enabled])

        groups = self._groups(viewer)
        # Callers without models of their own share one list.
        key = (dialect, viewer if groups or not viewer.sees_all(None) else None)
        return self.rendered.get(key, (self.listing, *groups), make)

    def get_in(self, dialect: str, model_id: str, viewer: Viewer, render: Callable[[Entry], Answer]) -> Answer:
        """Returns a model in another dialect, rendered on its first read, and raises what `get` raises."""
        entry = self._entry_of(model_id, viewer)
        return self.rendered.get((dialect, entry.model.id), (entry,), lambda: render(entry))

    def contents(self) -> tuple[object, ...]:
        """Returns all keys, clients and models."""
        return (*self.keys.values(), *self.clients.values(), *self.records.values(), *self.entries.values())

    def _entry_of(self, model_id: str, viewer: Viewer) -> Entry:
        entry = self._find(model_id, viewer)
        if entry is None:
            raise Refusal(MODEL_NOT_FOUND, f"The model '{model_id}' does not exist")
        return entry

    def _find(self, model_id: str, viewer: Viewer) -> Entry | None:
        entry = self.names.get(model_id)
        if entry and viewer.may_see(entry.model):
            return entry
        if is_uuid(model_id):
            uuid = UUID(model_id)
            entry, own = self.entries.get(uuid), self.records.get(uuid)
            if entry and viewer.may_see(entry.model):
                return entry
        elif is_model_name(model_id):
            own = next((group[model_id] for group in self._groups(viewer) if model_id in group), None)
        else:
            raise Refusal(INVALID_REQUEST, _ID_RULE, parameter="model_id")
        return self._entry(own, viewer) if own else None

    def _groups(self, viewer: Viewer) -> Sequence[Owned]:
        """Returns the models of the organizations among the viewer's owners."""
        return [self.owned[owner] for owner in viewer.owners if owner is not None and owner in self.owned]

    def _own(self, viewer: Viewer) -> Sequence[Entry]:
        """Returns the organizations' models that the viewer sees, in order."""
        entries = (self._entry(model, viewer) for group in self._groups(viewer) for model in group.values())
        return [entry for entry in entries if entry]

    def _entry(self, model: OrganizationModel, viewer: Viewer) -> Entry | None:
        """Returns an organization's model, or None if the viewer must not see it or it cannot be rendered."""
        parent = self.entries.get(model.parent_id)
        if parent is None or not viewer.may_see(model, parent.model):
            return None
        return self.rendered.get_if_possible(
            model.id, (model, parent), lambda: render_entry(inherit(model, parent.model))
        )


def advance(
    snapshot: Snapshot | None, changes: Changes, rendered: RenderedCache, pause: Callable[[], None] = lambda: None
) -> Snapshot:
    """Returns the catalogue after changes. Renders only what changed, and calls `pause` between pieces of work."""
    kept = None if changes.complete else snapshot
    keys = _after(kept.keys if kept else {}, changes.keys, changes.deleted_keys, pause)
    clients = _after(kept.clients if kept else {}, changes.clients, changes.deleted_clients, pause)
    unusable = {row: reason for row, reason in (kept.unusable if kept else {}).items() if row not in changes.rows}
    unusable |= {(row.table, row.id): row.reason for row in changes.unreadable}
    if kept and not (changes.models or changes.deleted_models & kept.entries.keys()):
        entries, names, listing = kept.entries, kept.names, kept.listing
    else:
        entries, names = _entries_after(kept, changes, unusable, pause)
        listing = Listing(names.values(), kept.listing if kept else None, pause)
    owned, records = _owned_after(kept, changes.organization_models, changes.deleted_models, pause)
    orphans = _orphans_after(kept, changes.organization_models, entries, records, pause)
    return Snapshot(
        changes.revision, keys, clients, entries, names, listing, owned, records, rendered, unusable, orphans
    )


def _after(
    kept: Mapping[str, T], changed: Collection[T], deleted: Collection[str], pause: Callable[[], None]
) -> Mapping[str, T]:
    if not changed and not deleted:
        return kept
    after = dict(kept)
    for item in changed:
        after[item.id] = item
        pause()
    for name in deleted:
        after.pop(name, None)
    return after


def _entries_after(
    kept: Snapshot | None, changes: Changes, unusable: dict[Row, str], pause: Callable[[], None]
) -> tuple[Mapping[UUID, Entry], Mapping[str, Entry]]:
    """Returns the system models after changes, by UUID, and by name in catalogue order.

    Adds models that cannot be rendered to `unusable`.
    """
    entries = dict(kept.entries) if kept else {}
    names = dict(kept.names) if kept else {}
    in_order = kept is not None
    for uuid in changes.deleted_models:
        if uuid in entries:
            names.pop(entries.pop(uuid).model.name, None)
    for model in changes.models:
        before = entries.get(model.id)
        pause()
        entry = _rendered(model, unusable)
        if entry is None:
            entries.pop(model.id, None)
            in_order = False
            continue
        # Nearly every change leaves a model in its place.
        in_order &= before is not None and (before.model.name, before.model.position) == (model.name, model.position)
        entries[model.id] = names[model.name] = entry
    if not in_order:
        by_position = sorted(entries.values(), key=lambda entry: entry.model.position)
        names = {entry.model.name: entry for entry in by_position}
    return entries, names


def _rendered(model: Model, unusable: dict[Row, str]) -> Entry | None:
    try:
        return render_entry(model)
    except MemoryError:
        # Not the model's fault.
        raise
    except Exception as error:  # noqa: BLE001  (one model must not stop the others)
        unusable[MODELS, str(model.id)] = f"cannot be rendered ({type(error).__name__})"
        return None


def _owned_after(
    kept: Snapshot | None,
    changed: Collection[OrganizationModel],
    deleted: Collection[UUID],
    pause: Callable[[], None],
) -> tuple[Mapping[str, Owned], Mapping[UUID, OrganizationModel]]:
    """Returns the organizations' models after changes. Organizations without a change keep the same object."""
    if kept and not changed and kept.records.keys().isdisjoint(deleted):
        return kept.owned, kept.records
    owned = dict(kept.owned) if kept else {}
    records = dict(kept.records) if kept else {}
    updates: dict[str, dict[UUID, OrganizationModel | None]] = defaultdict(dict)
    for uuid in deleted:
        if model := records.pop(uuid, None):
            updates[model.organization_id][uuid] = None
    for model in changed:
        records[model.id] = updates[model.organization_id][model.id] = model
        pause()
    for organization_id, updated in updates.items():
        models = {model.id: model for model in owned.pop(organization_id, {}).values()} | updated
        in_order = sorted(filter(None, models.values()), key=operator.attrgetter("position"))
        if in_order:
            owned[organization_id] = {model.name: model for model in in_order}
        pause()
    return owned, records


def _orphans_after(
    kept: Snapshot | None,
    changed: Collection[OrganizationModel],
    entries: Mapping[UUID, Entry],
    records: Mapping[UUID, OrganizationModel],
    pause: Callable[[], None],
) -> Mapping[UUID, OrganizationModel]:
    """Returns the organizations' models without a parent, after changes."""
    candidates = [*(kept.orphans if kept else {}), *(model.id for model in changed)]
    if kept and kept.entries is not entries and not kept.entries.keys() <= entries.keys():
        # A parent may be gone.
        candidates = list(records)
    orphans = {}
    for uuid in candidates:
        model = records.get(uuid)
        if model and model.parent_id not in entries:
            orphans[uuid] = model
        pause()
    return orphans
