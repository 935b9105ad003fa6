"""Reads for commands, within a write or without one."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Table, false, func, select, true

from modelservice.domain.layers import Layer, Source, default_rank
from modelservice.domain.principal import ApiKey, Client, Organization
from modelservice.errors import InvalidValueError
from modelservice.store.database import Database
from modelservice.store.rows import (
    Record,
    client_from_row,
    key_from_row,
    layer_from_row,
    organization_from_row,
    record_from_row,
)
from modelservice.store.schema import require_current
from modelservice.store.table_reader import shown_id
from modelservice.store.tables import (
    api_keys,
    audit,
    clients,
    head,
    layers,
    model_states,
    models,
    organizations,
    revisions,
    sources,
)

T = TypeVar("T")

# Values per statement, below every database's limit.
_CHUNK = 500


class AuditRow(NamedTuple):
    """One write; `created` is in Unix seconds."""

    revision: int
    created: int
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


@contextlib.contextmanager
def read(database: Database) -> Iterator[Queries]:
    """Opens queries that all see one state of the database.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be read.
    """
    with database.transaction() as connection:
        require_current(connection, database.name)
        yield Queries(connection)


class Queries:
    """Queries on one state of the database. Deleted rows are never returned."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def organizations(self) -> list[Organization]:
        """Returns every organization, ordered by id."""
        return [organization_from_row(row) for row in self._rows(organizations, order=[organizations.c.id])]

    def organization(self, organization_id: str) -> Organization | None:
        """Returns an organization, or None."""
        row = self._row(organizations, organizations.c.id == organization_id)
        return organization_from_row(row) if row else None

    def keys(self) -> list[ApiKey]:
        """Returns every API key, ordered by organization and age."""
        order = [api_keys.c.organization_id.nulls_first(), api_keys.c.created, api_keys.c.id]
        return [key_from_row(row) for row in self._rows(api_keys, order=order)]

    def key(self, key_id: str) -> ApiKey | None:
        """Returns an API key, or None."""
        row = self._row(api_keys, api_keys.c.id == key_id)
        return key_from_row(row) if row else None

    def keys_of(self, organization_id: str) -> list[ApiKey]:
        """Returns the API keys of an organization."""
        return [key_from_row(row) for row in self._rows(api_keys, api_keys.c.organization_id == organization_id)]

    def clients(self, organization_id: str | None = None) -> list[Client]:
        """Returns every client, or those of an organization, ordered by organization and id."""
        own = [] if organization_id is None else [clients.c.organization_id == organization_id]
        rows = self._rows(clients, *own, order=[clients.c.organization_id, clients.c.id])
        return [client_from_row(row) for row in rows]

    def client(self, client_id: str) -> Client | None:
        """Returns a client, or None."""
        row = self._row(clients, clients.c.id == client_id)
        return client_from_row(row) if row else None

    # --- Models -------------------------------------------------------------------------------------------------------

    def system_models(self) -> list[Record]:
        """Returns every system model, in catalogue order."""
        return self._records(models.c.organization_id.is_(None), models.c.deleted.is_(false()))

    def count_system_models(self) -> int:
        """Returns how many system models there are."""
        query = select(func.count()).where(models.c.organization_id.is_(None), models.c.deleted.is_(false()))
        return self._connection.execute(query).scalar_one()

    def system_model(self, name_or_id: str) -> Record | None:
        """Returns the system model with this name or UUID, or None."""
        named = (models.c.name == name_or_id) | (models.c.id == name_or_id.lower())
        found = self._records(models.c.organization_id.is_(None), models.c.deleted.is_(false()), named)
        return found[0] if found else None

    def organization_models(
        self, *, organization_id: str | None = None, parent_id: UUID | None = None, name: str | None = None
    ) -> list[Record]:
        """Returns organizations' models by position: all, or those of an organization, parent or name."""
        conditions: list[ColumnElement[bool]] = [models.c.organization_id.is_not(None), models.c.deleted.is_(false())]
        if organization_id is not None:
            conditions.append(models.c.organization_id == organization_id)
        if parent_id is not None:
            conditions.append(models.c.parent_id == str(parent_id))
        if name is not None:
            conditions.append(models.c.name == name)
        return self._records(*conditions)

    def records(self, ids: Collection[UUID]) -> dict[UUID, Record]:
        """Returns models by UUID, deleted ones too."""
        found: dict[UUID, Record] = {}
        for chunk in _chunks(sorted(map(str, ids))):
            found |= {record.id: record for record in self._records(models.c.id.in_(chunk))}
        return found

    def deleted_models(self, organization_id: str | None, name: str | None = None) -> list[Record]:
        """Returns deleted models of an organization (None: system models), the last deleted first."""
        conditions = [models.c.deleted.is_(true()), models.c.organization_id.is_not_distinct_from(organization_id)]
        if name is not None:
            conditions.append(models.c.name == name)
        return self._records(*conditions, order=[models.c.revision.desc()])

    def model_layers(self, ids: Collection[UUID] | None = None, at: int | None = None) -> dict[UUID, list[Layer]]:
        """Returns the layers of models (None: of all), now or at a revision."""
        query = select(layers.c.model_id, layers.c.source, layers.c.guessed, layers.c.document).where(_held(layers, at))
        found: dict[UUID, list[Layer]] = {}
        for one in _of_models(query, layers, ids):
            for row in self._connection.execute(one).mappings():
                layer = _readable(layers, row["model_id"], partial(layer_from_row, dict(row)))
                found.setdefault(UUID(row["model_id"]), []).append(layer)
        return found

    def layered_by(self, source: str) -> list[UUID]:
        """Returns the models about which a source states or guesses something."""
        query = select(layers.c.model_id).where(layers.c.source == source, _held(layers, None)).distinct()
        return [UUID(row.model_id) for row in self._connection.execute(query)]

    def count_layers(self) -> dict[str, tuple[int, int]]:
        """Returns about how many models each source states, and guesses, something."""
        query = (
            select(layers.c.source, layers.c.guessed, func.count())
            .where(_held(layers, None))
            .group_by(layers.c.source, layers.c.guessed)
        )
        found: dict[str, tuple[int, int]] = {}
        for source, guessed, count in self._connection.execute(query):
            stated, guesses = found.get(source, (0, 0))
            found[source] = (stated, count) if guessed else (count, guesses)
        return found

    def sources(self, at: int | None = None) -> dict[str, Source]:
        """Returns the sources, now or at a revision, by name."""
        query = select(sources.c.name, sources.c.rank).where(_held(sources, at))
        return {row.name: Source(row.name, row.rank) for row in self._connection.execute(query)}

    def names(self, at: int, ids: Collection[UUID] | None = None) -> dict[UUID, str]:
        """Returns the names of models (None: of all) that were there at a revision."""
        query = select(model_states.c.model_id, model_states.c.name).where(
            _held(model_states, at), model_states.c.deleted.is_(false())
        )
        found: dict[UUID, str] = {}
        for one in _of_models(query, model_states, ids):
            found |= {UUID(row.model_id): row.name for row in self._connection.execute(one)}
        return found

    def changed_layers(self, revision: int, model_id: UUID | None = None) -> list[tuple[UUID, str, bool]]:
        """Returns the layers that a revision began or ended: model (None: any), source, and whether it is guessed."""
        at = (layers.c.from_revision == revision) | (layers.c.until_revision == revision)
        if model_id is not None:
            at &= layers.c.model_id == str(model_id)
        query = select(layers.c.model_id, layers.c.source, layers.c.guessed).where(at).distinct()
        return [(UUID(row.model_id), row.source, row.guessed) for row in self._connection.execute(query)]

    def changed_after(self, revision: int, ids: Collection[UUID]) -> set[tuple[UUID, str, bool]]:
        """Returns those layers of models that changed after a revision."""
        later = (layers.c.from_revision > revision) | (layers.c.until_revision > revision)
        found: set[tuple[UUID, str, bool]] = set()
        for chunk in _chunks(sorted(map(str, ids))):
            query = select(layers.c.model_id, layers.c.source, layers.c.guessed).where(
                later, layers.c.model_id.in_(chunk)
            )
            found |= {(UUID(row.model_id), row.source, row.guessed) for row in self._connection.execute(query)}
        return found

    def renamed(self, revision: int) -> dict[UUID, str]:
        """Returns the models that a revision renamed, with their names before."""
        before, after = model_states.alias(), model_states.alias()
        query = select(before.c.model_id, before.c.name).where(
            before.c.until_revision == revision,
            after.c.from_revision == revision,
            after.c.model_id == before.c.model_id,
            after.c.name != before.c.name,
        )
        return {UUID(row.model_id): row.name for row in self._connection.execute(query)}

    def changed_ranks(self, revision: int) -> set[str]:
        """Returns the sources whose rank a revision changed. A first rank that is the default is no change."""
        changed = set(
            self._connection.execute(select(sources.c.name).where(sources.c.until_revision == revision)).scalars()
        )
        query = select(sources.c.name, sources.c.rank).where(sources.c.from_revision == revision)
        return changed | {name for name, rank in self._connection.execute(query) if rank != default_rank(name)}

    def ranked_after(self, revision: int) -> set[str]:
        """Returns the sources whose rank changed after a revision."""
        query = select(sources.c.name).where(sources.c.until_revision > revision)
        return set(self._connection.execute(query).scalars())

    def revisions_of(self, model_id: UUID) -> list[int]:
        """Returns the revisions that changed a model's layers or name, oldest first."""
        found: set[int] = set()
        for table in (layers, model_states):
            query = select(table.c.from_revision, table.c.until_revision).where(table.c.model_id == str(model_id))
            found |= {number for row in self._connection.execute(query) for number in row if number is not None}
        return sorted(found)

    def last_position(self) -> int:
        """Returns the highest position that a model ever had, or 0."""
        return self._connection.execute(select(func.max(models.c.position))).scalar() or 0

    def holders(self, names: Collection[str]) -> dict[str, str]:
        """Returns those of the names that organizations' models have, each with one such organization."""
        found: dict[str, str] = {}
        for chunk in _chunks(sorted(names)):
            query = select(models.c.name, models.c.organization_id).where(
                models.c.name.in_(chunk), models.c.organization_id.is_not(None), models.c.deleted.is_(false())
            )
            found |= {row.name: row.organization_id for row in self._connection.execute(query)}
        return found

    def named(self, names: Collection[str]) -> list[Record]:
        """Returns the models that have one of these names, of whatever owner."""
        found: list[Record] = []
        for chunk in _chunks(sorted(names)):
            found += self._records(models.c.name.in_(chunk), models.c.deleted.is_(false()))
        return found

    def parents_among(self, ids: Collection[UUID]) -> set[UUID]:
        """Returns those of the system models that have children."""
        query = select(models.c.parent_id).where(models.c.deleted.is_(false())).distinct()
        found: set[UUID] = set()
        for chunk in _chunks(sorted(map(str, ids))):
            rows = self._connection.execute(query.where(models.c.parent_id.in_(chunk)))
            found |= {UUID(row.parent_id) for row in rows}
        return found

    # --- Revisions ----------------------------------------------------------------------------------------------------

    def revision(self) -> int:
        """Returns the last revision."""
        number: int = self._connection.execute(select(head.c.revision)).scalar_one()
        return number

    def mark(self, revision: int) -> str:
        """Returns text that identifies a revision of this database: another database has another."""
        # A restore leaves a gap in the numbers.
        query = select(revisions.c.token).where(revisions.c.number <= revision).order_by(revisions.c.number.desc())
        token = self._connection.execute(query.limit(1)).scalar()
        return f"{revision}-{hashlib.sha256(str(token or '').encode()).hexdigest()[:12]}"

    def history_from(self) -> int:
        """Returns the first revision whose whole state is in the history of models."""
        number: int = self._connection.execute(select(head.c.history_from)).scalar_one()
        return number

    def revision_at(self, time: int) -> int:
        """Returns the last revision until a time in Unix seconds; 0 before the first."""
        query = select(func.max(revisions.c.number)).where(revisions.c.created <= time)
        return self._connection.execute(query).scalar() or 0

    def audit_row(self, revision: int) -> AuditRow | None:
        """Returns what is recorded of a revision, or None."""
        row = self._connection.execute(select(audit).where(audit.c.revision == revision)).one_or_none()
        return _audit_row(row) if row else None

    def audit(self, since: int) -> list[AuditRow]:
        """Returns the writes since a time in Unix seconds, oldest first."""
        rows = self._connection.execute(select(audit).where(audit.c.created >= since).order_by(audit.c.revision))
        return [_audit_row(row) for row in rows]

    def _records(self, *conditions: ColumnElement[bool], order: Sequence[ColumnElement[Any]] = ()) -> list[Record]:
        query = select(models).where(*conditions).order_by(*order, models.c.position, models.c.id)
        rows = self._connection.execute(query).mappings()
        return [_readable(models, row["id"], partial(record_from_row, dict(row))) for row in rows]

    def _rows(
        self, table: Table, *conditions: ColumnElement[bool], order: Sequence[ColumnElement[Any]] = ()
    ) -> list[dict[str, Any]]:
        query = select(table).where(table.c.deleted.is_(false()), *conditions).order_by(*order)
        return [dict(row) for row in self._connection.execute(query).mappings()]

    def _row(self, table: Table, condition: ColumnElement[bool]) -> dict[str, Any] | None:
        query = select(table).where(table.c.deleted.is_(false()), condition)
        row = self._connection.execute(query).mappings().one_or_none()
        return dict(row) if row else None


def _readable(table: Table, model_id: str, make: Callable[[], T]) -> T:
    """Returns what is made of a row, or raises an InvalidValueError that names the row."""
    try:
        return make()
    except (InvalidValueError, ValueError, TypeError, AttributeError):
        row = f"{table.name} {shown_id(str(model_id))}"
        raise InvalidValueError(f"{row}: cannot be read: `modelservice check` says why") from None


def _held(table: Table, at: int | None) -> ColumnElement[bool]:
    """Returns the condition that a row of history holds now, or held at a revision."""
    if at is None:
        return table.c.until_revision.is_(None)
    ends_later = table.c.until_revision.is_(None) | (table.c.until_revision > at)
    return (table.c.from_revision <= at) & ends_later


def _of_models(query: Select[Any], table: Table, ids: Collection[UUID] | None) -> list[Select[Any]]:
    """Returns queries for the rows of models; of all for None."""
    if ids is None:
        return [query]
    return [query.where(table.c.model_id.in_(chunk)) for chunk in _chunks(sorted(map(str, ids)))]


def _audit_row(row: Any) -> AuditRow:  # noqa: ANN401  (SQLAlchemy's row)
    return AuditRow(row.revision, row.created, row.actor, row.action, row.subject, row.detail)


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(values), _CHUNK):
        yield values[begin : begin + _CHUNK]
