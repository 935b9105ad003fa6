"""What servers and commands read."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from modelservice.domain import ApiKey, Model, Organization
from modelservice.store.database import Database
from modelservice.store.rows import key_from_row, model_from_row
from modelservice.store.schema import require_current
from modelservice.store.tables import api_keys, models, organizations, revisions


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
        models: Models made or changed.
        keys: API keys made or changed, revoked ones too.
    """

    revision: Revision
    complete: bool
    models: tuple[Model, ...]
    keys: tuple[ApiKey, ...]


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
        model_rows = connection.execute(select(models).where(models.c.revision > since).order_by(models.c.position))
        key_rows = connection.execute(select(api_keys).where(api_keys.c.revision > since))
        return Changes(
            revision=newest,
            complete=complete,
            models=tuple(model_from_row(dict(row)) for row in model_rows.mappings()),
            keys=tuple(key_from_row(dict(row)) for row in key_rows.mappings()),
        )


def read_organizations(database: Database) -> list[Organization]:
    """Returns every organization, by id.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be read now.
    """
    with database.transaction() as connection:
        require_current(connection, database.name)
        rows = connection.execute(select(organizations).order_by(organizations.c.id))
        return [Organization(row.id, row.created) for row in rows]


def read_keys(database: Database) -> list[ApiKey]:
    """Returns every API key, by organization and age.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be read now.
    """
    with database.transaction() as connection:
        require_current(connection, database.name)
        rows = connection.execute(
            select(api_keys).order_by(api_keys.c.organization_id, api_keys.c.created, api_keys.c.id)
        )
        return [key_from_row(dict(row)) for row in rows.mappings()]


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
