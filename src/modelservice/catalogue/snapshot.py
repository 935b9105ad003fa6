"""The catalogue at one revision: everything that a request needs, and nothing that changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from modelservice.auth.authorize import may_see
from modelservice.catalogue.listing import Listing
from modelservice.catalogue.query import Query
from modelservice.catalogue.render_cache import RenderedCache
from modelservice.catalogue.rendering import Answer, Entry, render_entry
from modelservice.catalogue.selection import Selection, choose
from modelservice.domain.inheritance import inherit
from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.principal import ApiKey, Client
from modelservice.domain.values import is_model_name, is_uuid
from modelservice.errors import INVALID_REQUEST, MODEL_NOT_FOUND, Refusal
from modelservice.store.changes import ORGANIZATION_MODELS, SYSTEM_MODELS, Changes, Revision
from modelservice.v1 import model_service_pb2 as pb

_ID_RULE: Final = "model_id: must be a UUID or a model's name: 1-256 letters, digits and . _ : @ / -"

# A row of the database: its table, and its id.
Row = tuple[str, str]
_NO_PARENT: Final = "parent_id: the parent is missing or left out"
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
        unusable: Rows that cannot be read or rendered, each with the reason.
        orphans: Organizations' models whose parent is not there.
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

    @property
    def left_out(self) -> Mapping[Row, str]:
        """The rows that are not served, each with the reason."""
        orphans = {(ORGANIZATION_MODELS, str(uuid)): _NO_PARENT for uuid in self.orphans}
        failed = {
            (ORGANIZATION_MODELS, str(model.id)): "cannot be rendered"
            for _, (model, *_) in self.rendered.failed
            if isinstance(model, OrganizationModel) and self.records.get(model.id) is model
        }
        return {**self.unusable, **orphans, **failed} if orphans or failed else self.unusable

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
        entries = (self._entry(model) for model in owned if may_see(viewing_for, model.organization_id))
        return [entry for entry in entries if entry]

    def _entry(self, model: OrganizationModel) -> Entry | None:
        """Returns an organization's model, or None where it has to be left out."""
        parent = self.entries.get(model.parent_id)
        if parent is None:
            return None
        return self.rendered.get_if_possible(
            model.id, (model, parent), lambda: render_entry(inherit(model, parent.model))
        )


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


def _entries_after(
    kept: Snapshot | None, changes: Changes, unusable: dict[Row, str], pause: Callable[[], None]
) -> tuple[Mapping[UUID, Entry], Mapping[str, Entry]]:
    """Returns the system models after some changes, by UUID, and by name in catalogue order.

    Those that cannot be rendered are put into `unusable`.
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
        # In its place, as nearly always.
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
    except Exception as error:  # noqa: BLE001  (one model must not stop all others)
        unusable[SYSTEM_MODELS, str(model.id)] = f"cannot be rendered ({type(error).__name__})"
        return None


def _orphans_after(
    kept: Snapshot | None,
    changed: Collection[OrganizationModel],
    entries: Mapping[UUID, Entry],
    records: Mapping[UUID, OrganizationModel],
    pause: Callable[[], None],
) -> Mapping[UUID, OrganizationModel]:
    """Returns the organizations' models whose parent is not there, after some changes."""
    candidates = [*(kept.orphans if kept else {}), *(model.id for model in changed)]
    if kept and kept.entries is not entries and not kept.entries.keys() <= entries.keys():
        # A parent may have gone.
        candidates = list(records)
    orphans = {}
    for uuid in candidates:
        model = records.get(uuid)
        if model and model.parent_id not in entries:
            orphans[uuid] = model
        pause()
    return orphans


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
