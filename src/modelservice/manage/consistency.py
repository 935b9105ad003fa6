"""What must hold between the models of a catalogue after every change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from uuid import UUID

from modelservice.errors import ConflictError, NotFoundError
from modelservice.store.queries import Queries
from modelservice.store.rows import Record

_After = Mapping[UUID, Record]


def require_consistent(queries: Queries, named: Collection[Record], after: Mapping[UUID, Record]) -> None:
    """Checks a change of models.

    Args:
        queries: The catalogue before the change.
        named: Models that are new, deleted, restored or renamed, as they will be.
        after: Every model that changes.

    Raises:
        ConflictError: A name is taken, or a model would have no parent.
        NotFoundError: A model would have no organization.
    """
    there = [record for record in named if not record.deleted]
    _require_names_free(queries, there, after)
    _require_owners(queries, [record for record in there if record.organization_id is not None], after)
    for record in named:
        if record.deleted and record.organization_id is None:
            found = queries.organization_models(parent_id=record.id)
            children = [child for child in found if not after.get(child.id, child).deleted]
            if children:
                raise ConflictError(f"model {record.name}: {len(children)} models of organizations inherit from it")


def _require_names_free(queries: Queries, there: Collection[Record], after: _After) -> None:
    by_name: dict[str, list[Record]] = defaultdict(list)
    for record in there:
        by_name[record.name].append(record)
    for record in (*there, *queries.named(by_name.keys())):
        other = after.get(record.id, record)
        for one in by_name.get(other.name, ()):
            if one.id != other.id and not other.deleted and _share_names(one, other):
                raise ConflictError(f"model {one.name}: {_holder(other)}")


def _require_owners(queries: Queries, owned: Collection[Record], after: _After) -> None:
    for organization_id in sorted({str(record.organization_id) for record in owned}):
        if not queries.organization(organization_id):
            raise NotFoundError(f"organization {organization_id}: does not exist")
    parents = {**queries.records({record.parent_id for record in owned if record.parent_id}), **after}
    for record in owned:
        if record.parent_id and parents[record.parent_id].deleted:
            raise ConflictError(f"model {record.name}: its parent is deleted: undelete that first")


def _share_names(one: Record, other: Record) -> bool:
    # Callers of an organization see its models and the system models.
    return one.organization_id == other.organization_id or None in (one.organization_id, other.organization_id)


def _holder(other: Record) -> str:
    if other.organization_id is None:
        return "a system model has this name"
    return f"the organization {other.organization_id} has a model of this name"
