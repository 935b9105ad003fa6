"""What commands ask the database, outside a write and inside one."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, false, func, select

from modelservice.domain.model import OrganizationModel
from modelservice.domain.principal import ApiKey, Client, Organization
from modelservice.store.database import Database
from modelservice.store.rows import client_from_row, key_from_row, model_from_row, organization_model_from_row
from modelservice.store.schema import require_current
from modelservice.store.sources import Sourced
from modelservice.store.tables import api_keys, audit, clients, models, organization_models, organizations

# Values in one statement: below every database's bound.
_CHUNK = 500


class AuditRow(NamedTuple):
    """One write: when (Unix seconds), who, what, to what, before and after."""

    revision: int
    created: int
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


@contextlib.contextmanager
def read(database: Database) -> Iterator[Queries]:
    """Opens questions that all see one state of the database.

    Args:
        database: The database.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be read now.
    """
    with database.transaction() as connection:
        require_current(connection, database.name)
        yield Queries(connection)


class Queries:
    """Questions to one state of the database. Nothing that is deleted is ever found."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def organizations(self) -> list[Organization]:
        """Returns every organization, by id."""
        rows = self._connection.execute(
            select(organizations).where(organizations.c.deleted.is_(false())).order_by(organizations.c.id)
        )
        return [Organization(row.id, row.created) for row in rows]

    def organization(self, organization_id: str) -> Organization | None:
        """Returns an organization, or None."""
        row = self._connection.execute(
            select(organizations).where(organizations.c.id == organization_id, organizations.c.deleted.is_(false()))
        ).one_or_none()
        return Organization(row.id, row.created) if row else None

    def keys(self) -> list[ApiKey]:
        """Returns every API key, by organization and age."""
        rows = self._connection.execute(
            select(api_keys)
            .where(api_keys.c.deleted.is_(false()))
            .order_by(api_keys.c.organization_id.nulls_first(), api_keys.c.created, api_keys.c.id)
        )
        return [key_from_row(dict(row)) for row in rows.mappings()]

    def key(self, key_id: str) -> ApiKey | None:
        """Returns an API key, or None."""
        row = self._connection.execute(select(api_keys).where(api_keys.c.id == key_id, api_keys.c.deleted.is_(false())))
        found = row.mappings().one_or_none()
        return key_from_row(dict(found)) if found else None

    def keys_of(self, organization_id: str) -> list[ApiKey]:
        """Returns the API keys of an organization."""
        rows = self._connection.execute(
            select(api_keys).where(api_keys.c.organization_id == organization_id, api_keys.c.deleted.is_(false()))
        )
        return [key_from_row(dict(row)) for row in rows.mappings()]

    def clients(self, organization_id: str | None = None) -> list[Client]:
        """Returns every client, or those of an organization, by organization and id."""
        query = select(clients).where(clients.c.deleted.is_(false())).order_by(clients.c.organization_id, clients.c.id)
        if organization_id is not None:
            query = query.where(clients.c.organization_id == organization_id)
        return [client_from_row(dict(row)) for row in self._connection.execute(query).mappings()]

    def client(self, client_id: str) -> Client | None:
        """Returns a client, or None."""
        rows = self._connection.execute(
            select(clients).where(clients.c.id == client_id, clients.c.deleted.is_(false()))
        )
        found = rows.mappings().one_or_none()
        return client_from_row(dict(found)) if found else None

    def models(self) -> dict[str, Sourced]:
        """Returns every system model, by name."""
        rows = self._connection.execute(select(models).where(models.c.deleted.is_(false())))
        return {row["name"]: _sourced(dict(row)) for row in rows.mappings()}

    def model(self, name_or_id: str) -> Sourced | None:
        """Returns the system model of a name or a UUID, or None."""
        rows = self._connection.execute(
            select(models).where(
                (models.c.name == name_or_id) | (models.c.id == name_or_id.lower()), models.c.deleted.is_(false())
            )
        )
        row = rows.mappings().one_or_none()
        return _sourced(dict(row)) if row else None

    def last_position(self) -> int:
        """Returns the position of the last system model that there ever was, 0 when there was none."""
        return self._connection.execute(select(func.max(models.c.position))).scalar() or 0

    def organization_models(
        self, *, organization_id: str | None = None, parent_id: UUID | None = None, name: str | None = None
    ) -> list[OrganizationModel]:
        """Returns organizations' models by position: those of an organization, of a parent, of a name, or all."""
        table = organization_models
        query = select(table).where(table.c.deleted.is_(false())).order_by(table.c.position)
        if organization_id is not None:
            query = query.where(table.c.organization_id == organization_id)
        if parent_id is not None:
            query = query.where(table.c.parent_id == str(parent_id))
        if name is not None:
            query = query.where(table.c.name == name)
        return [organization_model_from_row(dict(row)) for row in self._connection.execute(query).mappings()]

    def last_organization_position(self) -> int:
        """Returns the position of the last organization's model that there ever was, 0 when there was none."""
        return self._connection.execute(select(func.max(organization_models.c.position))).scalar() or 0

    def organization_model(self, model_id: UUID) -> OrganizationModel | None:
        """Returns the organization's model of a UUID, or None."""
        table = organization_models
        rows = self._connection.execute(select(table).where(table.c.id == str(model_id), table.c.deleted.is_(false())))
        row = rows.mappings().one_or_none()
        return organization_model_from_row(dict(row)) if row else None

    def holders(self, names: Collection[str]) -> dict[str, str]:
        """Returns which of these names an organization's model has, each with one organization that has it."""
        table = organization_models
        found: dict[str, str] = {}
        for chunk in _chunks(sorted(names)):
            rows = self._connection.execute(
                select(table.c.name, table.c.organization_id).where(table.c.name.in_(chunk))
            )
            found |= {row.name: row.organization_id for row in rows}
        return found

    def taken_ids(self, ids: Collection[UUID]) -> set[UUID]:
        """Returns which of these UUIDs are, or ever were, a model's."""
        taken: set[UUID] = set()
        for chunk in _chunks(sorted(map(str, ids))):
            for table in (models, organization_models):
                taken |= {
                    UUID(row.id) for row in self._connection.execute(select(table.c.id).where(table.c.id.in_(chunk)))
                }
        return taken

    def parent_ids(self) -> set[UUID]:
        """Returns the UUIDs of the system models from which others inherit."""
        table = organization_models
        rows = self._connection.execute(select(table.c.parent_id).where(table.c.deleted.is_(false())).distinct())
        return {UUID(row.parent_id) for row in rows}

    def audit(self, since: int) -> list[AuditRow]:
        """Returns the writes since a time, in Unix seconds, oldest first."""
        rows = self._connection.execute(select(audit).where(audit.c.created >= since).order_by(audit.c.revision))
        return [AuditRow(row.revision, row.created, row.actor, row.action, row.subject, row.detail) for row in rows]


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(values), _CHUNK):
        yield values[begin : begin + _CHUNK]


def _sourced(row: Mapping[str, Any]) -> Sourced:
    return Sourced(model_from_row(row), row["source"], row["sources"])
