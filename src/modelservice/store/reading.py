"""What servers read: what is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, select

from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.principal import ApiKey, Client
from modelservice.store.database import Database
from modelservice.store.rows import key_from_row, model_from_row, organization_model_from_row
from modelservice.store.schema import require_current
from modelservice.store.tables import api_keys, clients, models, organization_models, revisions


@dataclass(frozen=True, slots=True)
class Revision:
    """A state of the database: the number of its last write, and that write's random token."""

    number: int
    token: str


# Before the first write.
_NO_REVISION = Revision(0, "")


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new in the database.

    Attributes:
        revision: The state that these changes lead to.
        complete: Whether this is all there is, rather than what is new since another state.
        models: System models made or changed.
        organization_models: Organizations' models made or changed.
        keys: API keys made or changed, revoked ones too.
        clients: Clients made or changed.
        deleted_models: The UUIDs of deleted models, of either kind.
        deleted_keys: The ids of deleted keys.
        deleted_clients: The ids of deleted clients.
    """

    revision: Revision
    complete: bool
    models: tuple[Model, ...]
    organization_models: tuple[OrganizationModel, ...]
    keys: tuple[ApiKey, ...]
    clients: tuple[Client, ...]
    deleted_models: frozenset[UUID]
    deleted_keys: frozenset[str]
    deleted_clients: frozenset[str]


def read_changes(database: Database, held: Revision | None) -> Changes | None:
    """Reads what is new, all of it from one state of the database.

    Args:
        database: The database.
        held: The state that the caller holds, or None for none.

    Returns:
        What is new since then; everything when the caller holds nothing, or a state that is no longer in the
        database's history (a backup was restored); None when nothing is new.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be read now.
    """
    with database.transaction() as connection:
        if held is None:
            require_current(connection, database.name)
        newest = _newest_revision(connection)
        if newest == held:
            return None
        complete = held is None or not _in_history(connection, held)
        since = 0 if held is None or complete else held.number
        system = _since(connection, models, since)
        owned = _since(connection, organization_models, since)
        keys = _since(connection, api_keys, since)
        machines = _since(connection, clients, since)
        return Changes(
            revision=newest,
            complete=complete,
            models=tuple(model_from_row(row) for row in system if not row["deleted"]),
            organization_models=tuple(organization_model_from_row(row) for row in owned if not row["deleted"]),
            keys=tuple(key_from_row(row) for row in keys if not row["deleted"]),
            clients=tuple(
                Client(row["id"], row["organization_id"], row["created"]) for row in machines if not row["deleted"]
            ),
            deleted_models=frozenset(UUID(row["id"]) for row in (*system, *owned) if row["deleted"]),
            deleted_keys=frozenset(row["id"] for row in keys if row["deleted"]),
            deleted_clients=frozenset(row["id"] for row in machines if row["deleted"]),
        )


def _since(connection: Connection, table: Table, revision: int) -> list[dict[str, Any]]:
    rows = connection.execute(select(table).where(table.c.revision > revision)).mappings()
    return [dict(row) for row in rows]


def _newest_revision(connection: Connection) -> Revision:
    row = connection.execute(
        select(revisions.c.number, revisions.c.token).order_by(revisions.c.number.desc()).limit(1)
    ).one_or_none()
    return Revision(row.number, row.token) if row else _NO_REVISION


def _in_history(connection: Connection, held: Revision) -> bool:
    if held == _NO_REVISION:
        return True
    token = connection.execute(select(revisions.c.token).where(revisions.c.number == held.number)).scalar()
    return token == held.token
