"""Reads for commands, within a write or without one."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, Table, false, func, select

from modelservice.domain.model import OrganizationModel
from modelservice.domain.principal import ApiKey, Client, Organization
from modelservice.store.database import Database
from modelservice.store.rows import (
    Sourced,
    client_from_row,
    key_from_row,
    organization_from_row,
    organization_model_from_row,
    sourced_from_row,
)
from modelservice.store.schema import require_current
from modelservice.store.tables import api_keys, audit, clients, models, organization_models, organizations

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

    def models(self) -> dict[str, Sourced]:
        """Returns every system model, by name."""
        return {row["name"]: sourced_from_row(row) for row in self._rows(models)}

    def model(self, name_or_id: str) -> Sourced | None:
        """Returns the system model with this name or UUID, or None."""
        row = self._row(models, (models.c.name == name_or_id) | (models.c.id == name_or_id.lower()))
        return sourced_from_row(row) if row else None

    def last_position(self) -> int:
        """Returns the highest position that a system model ever had, or 0."""
        return self._highest(models.c.position)

    def organization_models(
        self, *, organization_id: str | None = None, parent_id: UUID | None = None, name: str | None = None
    ) -> list[OrganizationModel]:
        """Returns organizations' models by position: all, or those of an organization, parent or name."""
        table = organization_models
        conditions = []
        if organization_id is not None:
            conditions.append(table.c.organization_id == organization_id)
        if parent_id is not None:
            conditions.append(table.c.parent_id == str(parent_id))
        if name is not None:
            conditions.append(table.c.name == name)
        return [organization_model_from_row(row) for row in self._rows(table, *conditions, order=[table.c.position])]

    def last_organization_position(self) -> int:
        """Returns the highest position that an organization's model ever had, or 0."""
        return self._highest(organization_models.c.position)

    def organization_model(self, model_id: UUID) -> OrganizationModel | None:
        """Returns the organization's model with this UUID, or None."""
        row = self._row(organization_models, organization_models.c.id == str(model_id))
        return organization_model_from_row(row) if row else None

    def holders(self, names: Collection[str]) -> dict[str, str]:
        """Returns those of the names that organizations' models have, each with one such organization."""
        table = organization_models
        found: dict[str, str] = {}
        for chunk in _chunks(sorted(names)):
            query = select(table.c.name, table.c.organization_id).where(table.c.name.in_(chunk))
            found |= {row.name: row.organization_id for row in self._connection.execute(query)}
        return found

    def taken_ids(self, ids: Collection[UUID]) -> set[UUID]:
        """Returns those of the UUIDs that a model has or had."""
        taken: set[UUID] = set()
        for chunk in _chunks(sorted(map(str, ids))):
            for table in (models, organization_models):
                query = select(table.c.id).where(table.c.id.in_(chunk))
                taken |= {UUID(row.id) for row in self._connection.execute(query)}
        return taken

    def parent_ids(self) -> set[UUID]:
        """Returns the UUIDs of the system models that have children."""
        table = organization_models
        rows = self._connection.execute(select(table.c.parent_id).where(table.c.deleted.is_(false())).distinct())
        return {UUID(row.parent_id) for row in rows}

    def audit(self, since: int) -> list[AuditRow]:
        """Returns the writes since a time in Unix seconds, oldest first."""
        rows = self._connection.execute(select(audit).where(audit.c.created >= since).order_by(audit.c.revision))
        return [AuditRow(row.revision, row.created, row.actor, row.action, row.subject, row.detail) for row in rows]

    def _rows(
        self, table: Table, *conditions: ColumnElement[bool], order: Sequence[ColumnElement[Any]] = ()
    ) -> list[dict[str, Any]]:
        query = select(table).where(table.c.deleted.is_(false()), *conditions).order_by(*order)
        return [dict(row) for row in self._connection.execute(query).mappings()]

    def _row(self, table: Table, condition: ColumnElement[bool]) -> dict[str, Any] | None:
        query = select(table).where(table.c.deleted.is_(false()), condition)
        row = self._connection.execute(query).mappings().one_or_none()
        return dict(row) if row else None

    def _highest(self, column: Column[Any]) -> int:
        return self._connection.execute(select(func.max(column))).scalar() or 0


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(values), _CHUNK):
        yield values[begin : begin + _CHUNK]
