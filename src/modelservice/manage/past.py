"""The catalogue as it was at a revision."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from modelservice.domain.layers import Document, digested, effective_values, in_order
from modelservice.errors import InvalidValueError, NotFoundError
from modelservice.store.queries import Queries
from modelservice.store.rows import Record

_NUMBER: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Past:
    """A model as it was. `values` are merged, and have digests in place of private values."""

    name: str
    record: Record
    values: Document


def past(queries: Queries, revision: int, ids: Collection[UUID] | None = None) -> dict[UUID, Past]:
    """Returns the models that existed at a revision: all of them, or those with these UUIDs.

    Raises:
        NotFoundError: History does not have this revision.
    """
    require_kept(queries, revision)
    names = queries.names(revision, ids)
    wanted = names.keys()
    ranks = {name: source.rank for name, source in queries.sources(revision).items()}
    layers = queries.model_layers(None if ids is None else wanted, at=revision)
    records = queries.records(wanted)
    found: dict[UUID, Past] = {}
    for model_id in wanted:
        record = records[model_id]
        in_force = in_order(layers.get(model_id, ()), ranks)
        values = effective_values(names[model_id], in_force, is_system=record.organization_id is None)
        found[model_id] = Past(names[model_id], record, digested(values))
    return dict(sorted(found.items(), key=lambda item: (item[1].record.position, item[0])))


def require_kept(queries: Queries, revision: int) -> None:
    """Raises a NotFoundError unless history has the whole state at a revision."""
    first, last = queries.history_from(), queries.revision()
    if revision > last:
        raise NotFoundError(f"revision {revision}: does not exist: the last is {last}")
    if revision < first:
        raise NotFoundError(f"revision {revision}: history begins with {first}")


def revision_of(queries: Queries, moment: int | str) -> int:
    """Returns a revision given as its number, or by a time in Unix seconds, as `@1750000000`.

    Raises:
        InvalidValueError: It is neither.
    """
    text = str(moment)
    if text.startswith("@") and _NUMBER.fullmatch(text[1:]):
        return queries.revision_at(int(text[1:]))
    if _NUMBER.fullmatch(text):
        return int(text)
    raise InvalidValueError(f"{text}: must be a revision or a time")


def names_of(found: Mapping[UUID, Past]) -> dict[str, Past]:
    """Returns the system models by name."""
    return {one.name: one for one in found.values() if one.record.organization_id is None}
