"""Erases the values of deleted models permanently."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from modelservice.domain.layers import DELETED, MANUAL
from modelservice.errors import ConflictError, NotFoundError
from modelservice.manage.lookup import ModelRef, find_deleted
from modelservice.manage.plan import title
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.rows import Record
from modelservice.store.writing import Write, write

# In the audit.
PURGE: Final = "purge"
# What the audit keeps in place of the values.
_PURGED: Final = "purged"


@dataclass(frozen=True, slots=True)
class Purged:
    """How many models, layers of their history and rows of the audit were erased."""

    models: int
    layers: int
    audit_rows: int


def purge_model(database_url: str, actor: str, ref: ModelRef) -> Purged:
    """Erases what history and the audit have of a deleted model. It cannot be undeleted after that.

    Raises:
        NotFoundError: No such model was deleted.
        ConflictError: Several deleted models had this name.
    """
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        record = find_deleted(change, ref)
        return _purge(change, [record], title(record))


def purge_organization(database_url: str, actor: str, organization_id: str) -> Purged:
    """Erases what history and the audit have of the models of a deleted organization.

    Raises:
        NotFoundError: There was no such organization.
        ConflictError: The organization exists.
    """
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        if change.organization(organization_id):
            raise ConflictError(f"organization {organization_id}: exists: delete it first")
        found = change.deleted_models(organization_id)
        if not found:
            raise NotFoundError(f"organization {organization_id}: has no deleted models")
        return _purge(change, found, organization_id)


def _purge(change: Write, records: list[Record], subject: str) -> Purged:
    ids = {str(record.id) for record in records}
    titles = {title(record) for record in records}
    deleted = {
        model_id
        for model_id, found in change.model_layers([record.id for record in records]).items()
        if any(DELETED in layer.document for layer in found)
    }
    count = change.forget_layers({record.id for record in records})
    # The mark stays: no import brings the model back.
    marked = [((MANUAL, False), None, {DELETED: True})]
    change.put_layers(dict.fromkeys(deleted, marked))
    rows = 0
    for row in change.audit(0):
        detail = _without(row.detail, ids, titles, is_subject=row.subject in titles)
        if detail != row.detail:
            change.replace_audit_detail(row.revision, detail)
            rows += 1
    change.record(PURGE, subject, {"models": sorted(ids), "layers": count, "audit_rows": rows})
    return Purged(len(records), count, rows)


def _without(detail: Mapping[str, Any], ids: set[str], titles: set[str], *, is_subject: bool) -> dict[str, Any]:
    """Returns a row's detail without the values of models, in the shape of this version and in that of 0.1."""
    found = dict(detail)
    for key in ("models", "values"):
        changes = found.get(key)
        if isinstance(changes, list):
            found[key] = [
                {**item, "fields": _PURGED} if isinstance(item, Mapping) and item.get("id") in ids else item
                for item in changes
            ]
    changed = found.get("changed")
    if isinstance(changed, Mapping):
        kept = {name: _PURGED if name in titles else values for name, values in changed.items()}
        found["changed"] = _PURGED if is_subject else kept
    return found
