"""The catalogue at one revision: everything that a request needs, and nothing that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from modelservice.catalogue.rendering import Answer, Entry, render_entry, render_list
from modelservice.domain import ApiKey, is_model_name, is_uuid
from modelservice.errors import INVALID_REQUEST, MODEL_NOT_FOUND, Refusal
from modelservice.store.reading import Changes, Revision

_ID_RULE = "model_id: must be a UUID or a model's name: 1-256 letters, digits and . _ : @ / -"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalogue at one revision.

    Attributes:
        revision: Which.
        keys: API keys, by id.
        entries: Models, by UUID.
        names: The same models, by name.
        listing: The answer of ListModels.
    """

    revision: Revision
    keys: Mapping[str, ApiKey]
    entries: Mapping[UUID, Entry]
    names: Mapping[str, Entry]
    listing: Answer

    def get(self, model_id: str) -> Answer:
        """Returns the answer of GetModel.

        Args:
            model_id: A UUID in upper or lower case, or a model's name.

        Raises:
            Refusal: `INVALID_REQUEST`, it can be neither; `MODEL_NOT_FOUND`, there is no such model.
        """
        if is_uuid(model_id):
            entry = self.entries.get(UUID(model_id))
        elif is_model_name(model_id):
            entry = self.names.get(model_id)
        else:
            raise Refusal(INVALID_REQUEST, _ID_RULE)
        if entry is None:
            raise Refusal(MODEL_NOT_FOUND, f"The model '{model_id}' does not exist")
        return entry.get


def advance(snapshot: Snapshot | None, changes: Changes) -> Snapshot:
    """Returns the catalogue after some changes. Only what changed is rendered.

    Args:
        snapshot: The catalogue before them, or None when they are complete.
        changes: The changes.
    """
    kept = None if changes.complete else snapshot
    keys = dict(kept.keys) if kept else {}
    keys.update((key.id, key) for key in changes.keys)
    if kept and not changes.models:
        return Snapshot(changes.revision, keys, kept.entries, kept.names, kept.listing)
    entries = dict(kept.entries) if kept else {}
    entries.update((model.id, render_entry(model)) for model in changes.models)
    in_order = sorted(entries.values(), key=lambda entry: entry.model.position)
    return Snapshot(
        revision=changes.revision,
        keys=keys,
        entries=entries,
        names={entry.model.name: entry for entry in in_order},
        listing=render_list(entry for entry in in_order if entry.model.enabled),
    )
