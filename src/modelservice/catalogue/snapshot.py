"""The catalogue at one revision: everything that a request needs, and nothing that changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from modelservice.auth.authorize import may_see
from modelservice.catalogue.listing import Listing
from modelservice.catalogue.query import Query
from modelservice.catalogue.rendered import RenderedCache
from modelservice.catalogue.rendering import Answer, Entry, render_entry
from modelservice.catalogue.selection import Selection, choose
from modelservice.domain.inheritance import inherit
from modelservice.domain.model import OrganizationModel
from modelservice.domain.principal import ApiKey, Client
from modelservice.domain.values import is_model_name, is_uuid
from modelservice.errors import INVALID_REQUEST, MODEL_NOT_FOUND, Refusal
from modelservice.store.reading import Changes, Revision
from modelservice.v1 import model_service_pb2 as pb

_ID_RULE: Final = "model_id: must be a UUID or a model's name: 1-256 letters, digits and . _ : @ / -"

# An organization's models, by name, in their order.
Owned = Mapping[str, OrganizationModel]
_NONE: Final[Owned] = {}

T = TypeVar("T", ApiKey, Client)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalogue at one revision.

    Attributes:
        revision: Which.
        keys: API keys, by id.
        clients: Clients, by id.
        entries: System models, by UUID.
        names: The same models, by name, in catalogue order.
        listing: Their list.
        owned: Organizations' models, by organization.
        records: The same models, by UUID.
        rendered: What is rendered of organizations' models, when they are first asked for.
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

    def list(self, viewing_for: str | None) -> Answer:
        """Returns the answer of ListModels.

        Args:
            viewing_for: The organization for which the caller reads, or None (`auth.authorize.viewer`).
        """
        owned = self._owned(viewing_for)
        if not owned:
            return self.listing.alone
        # Made from all the system models, which `listing` stands for; and from those of one organization.
        made_from = (self.listing, self.entries, owned)
        return self.rendered.get(viewing_for, made_from, lambda: self.listing.followed_by(self._own(viewing_for)))

    def choose(self, request: pb.ListModelsRequest, viewing_for: str | None) -> Selection:
        """Returns the answer of ListModels to who asks for some of them.

        Args:
            request: For which.
            viewing_for: The organization for which the caller reads, or None (`auth.authorize.viewer`).

        Raises:
            Refusal: `INVALID_REQUEST`: a field has a value that it does not take. The message names it.
        """
        query = Query.of(request, viewing_for, self.revision.secret)
        return choose(query, self.listing, self._own(viewing_for))

    def get(self, model_id: str, viewing_for: str | None) -> Answer:
        """Returns the answer of GetModel.

        Args:
            model_id: A UUID in upper or lower case, or a model's name.
            viewing_for: The organization for which the caller reads, or None (`auth.authorize.viewer`).

        Raises:
            Refusal: `INVALID_REQUEST`, it can be neither; `MODEL_NOT_FOUND`, there is no such model, or none that
                this caller may see: the same answer.
        """
        entry = self._find(model_id, viewing_for)
        if entry is None:
            raise Refusal(MODEL_NOT_FOUND, f"The model '{model_id}' does not exist")
        return entry.get

    def contents(self) -> tuple[object, ...]:
        """Returns all that it holds many of."""
        return (*self.keys.values(), *self.clients.values(), *self.records.values(), *self.entries.values())

    def _find(self, model_id: str, viewing_for: str | None) -> Entry | None:
        if model_id in self.names:
            return self.names[model_id]
        if is_uuid(model_id):
            uuid = UUID(model_id)
            if uuid in self.entries:
                return self.entries[uuid]
            model = self.records.get(uuid)
        elif is_model_name(model_id):
            model = self._owned(viewing_for).get(model_id)
        else:
            raise Refusal(INVALID_REQUEST, _ID_RULE)
        if model is None or not may_see(viewing_for, model.organization_id):
            return None
        return self._entry(model)

    def _owned(self, viewing_for: str | None) -> Owned:
        return _NONE if viewing_for is None else self.owned.get(viewing_for, _NONE)

    def _own(self, viewing_for: str | None) -> Sequence[Entry]:
        owned = self._owned(viewing_for).values()
        return [self._entry(model) for model in owned if may_see(viewing_for, model.organization_id)]

    def _entry(self, model: OrganizationModel) -> Entry:
        parent = self.entries[model.parent_id]
        return self.rendered.get(model.id, (model, parent), lambda: render_entry(inherit(model, parent.model)))


def advance(
    snapshot: Snapshot | None, changes: Changes, rendered: RenderedCache, pause: Callable[[], None] = lambda: None
) -> Snapshot:
    """Returns the catalogue after some changes. Only what changed is rendered.

    Args:
        snapshot: The catalogue before them, or None when they are complete.
        changes: The changes.
        rendered: Where organizations' answers are kept.
        pause: Called between two pieces of work, so that others can work.
    """
    kept = None if changes.complete else snapshot
    keys = _after(kept.keys if kept else {}, changes.keys, changes.deleted_keys, pause)
    clients = _after(kept.clients if kept else {}, changes.clients, changes.deleted_clients, pause)
    if kept and not (changes.models or changes.deleted_models & kept.entries.keys()):
        entries, names, listing = kept.entries, kept.names, kept.listing
    else:
        entries, names = _entries_after(kept, changes, pause)
        listing = Listing(names.values(), kept.listing if kept else None, pause)
    owned, records = _owned_after(kept, changes.organization_models, changes.deleted_models, pause)
    return Snapshot(changes.revision, keys, clients, entries, names, listing, owned, records, rendered)


def _entries_after(
    kept: Snapshot | None, changes: Changes, pause: Callable[[], None]
) -> tuple[Mapping[UUID, Entry], Mapping[str, Entry]]:
    """Returns the system models after some changes, by UUID, and by name in catalogue order."""
    entries = dict(kept.entries) if kept else {}
    names = dict(kept.names) if kept else {}
    in_order = kept is not None
    for uuid in changes.deleted_models:
        if uuid in entries:
            del names[entries.pop(uuid).model.name]
    for model in changes.models:
        before = entries.get(model.id)
        # In its place, as nearly always.
        in_order &= before is not None and (before.model.name, before.model.position) == (model.name, model.position)
        entries[model.id] = names[model.name] = render_entry(model)
        pause()
    if not in_order:
        by_position = sorted(entries.values(), key=lambda entry: entry.model.position)
        names = {entry.model.name: entry for entry in by_position}
    return entries, names


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


def _owned_after(
    kept: Snapshot | None,
    changed: Collection[OrganizationModel],
    deleted: Collection[UUID],
    pause: Callable[[], None],
) -> tuple[Mapping[str, Owned], Mapping[UUID, OrganizationModel]]:
    """Returns the organizations' models after some changes, in both orders. Those of others are the same objects."""
    if kept and not changed and not any(uuid in kept.records for uuid in deleted):
        return kept.owned, kept.records
    owned = dict(kept.owned) if kept else {}
    records = dict(kept.records) if kept else {}
    touched: dict[str, dict[UUID, OrganizationModel]] = {}

    def of(organization_id: str) -> dict[UUID, OrganizationModel]:
        if organization_id not in touched:
            touched[organization_id] = {model.id: model for model in owned.get(organization_id, _NONE).values()}
        return touched[organization_id]

    for uuid in deleted:
        if uuid in records:
            of(records.pop(uuid).organization_id).pop(uuid)
    for model in changed:
        of(model.organization_id)[model.id] = model
        records[model.id] = model
        pause()
    for organization_id, models in touched.items():
        pause()
        in_order = sorted(models.values(), key=lambda model: model.position)
        owned[organization_id] = {model.name: model for model in in_order}
        if not models:
            del owned[organization_id]
    return owned, records
