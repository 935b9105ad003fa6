"""The one way to write.

A write is one transaction. It locks the head row first, so that writes happen one after the other and no reader sees a
revision before an earlier one. It takes a revision when it first changes something: one that changes nothing leaves no
trace.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, insert, select, update

from modelservice.domain import ApiKey, Model, Organization
from modelservice.store.database import Database
from modelservice.store.rows import key_from_row, key_to_row, model_from_row, model_to_row
from modelservice.store.schema import require_current
from modelservice.store.tables import api_keys, head, models, organizations, revisions


@contextlib.contextmanager
def write(database: Database, now: int) -> Iterator[Write]:
    """Opens a write: all of it is committed at the end, or nothing.

    Args:
        database: The database, with `Access.WRITE`.
        now: In Unix seconds.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be reached, or another write held it for too long.
    """
    with database.transaction() as connection:
        require_current(connection, database.name)
        connection.execute(select(head.c.revision).with_for_update())
        yield Write(connection, now)


class Write:
    """A write under way."""

    def __init__(self, connection: Connection, now: int) -> None:
        self._connection = connection
        self._now = now

    @cached_property
    def _revision(self) -> int:
        self._connection.execute(update(head).values(revision=head.c.revision + 1))
        number: int = self._connection.execute(select(head.c.revision)).scalar_one()
        self._connection.execute(
            insert(revisions).values(number=number, token=secrets.token_hex(16), created=self._now)
        )
        return number

    def organization(self, organization_id: str) -> Organization | None:
        """Returns an organization, or None."""
        row = self._connection.execute(select(organizations).where(organizations.c.id == organization_id)).one_or_none()
        return Organization(row.id, row.created) if row else None

    def add_organization(self, organization: Organization) -> None:
        """Adds an organization, whose id must be free."""
        self._connection.execute(
            insert(organizations).values(id=organization.id, created=organization.created, revision=self._revision)
        )

    def key(self, key_id: str) -> ApiKey | None:
        """Returns an API key, or None."""
        row = self._connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().one_or_none()
        return key_from_row(dict(row)) if row else None

    def keys_of(self, organization_id: str) -> list[ApiKey]:
        """Returns the API keys of an organization."""
        rows = self._connection.execute(select(api_keys).where(api_keys.c.organization_id == organization_id))
        return [key_from_row(dict(row)) for row in rows.mappings()]

    def add_key(self, key: ApiKey) -> None:
        """Adds an API key."""
        self._connection.execute(insert(api_keys).values(**key_to_row(key), revision=self._revision))

    def update_key(self, key: ApiKey) -> None:
        """Replaces the API key of the same id."""
        self._connection.execute(
            update(api_keys).where(api_keys.c.id == key.id).values(**key_to_row(key), revision=self._revision)
        )

    def models(self) -> dict[str, Model]:
        """Returns every model, by name."""
        rows = self._connection.execute(select(models)).mappings()
        return {row["name"]: model_from_row(dict(row)) for row in rows}

    def last_position(self) -> int:
        """Returns the position of the last model in the catalogue, 0 when there is none."""
        return self._connection.execute(select(func.max(models.c.position))).scalar() or 0

    def add_models(self, added: Sequence[Model]) -> None:
        """Adds models, whose ids, names and positions must be free."""
        if added:
            self._connection.execute(
                insert(models), [model_to_row(model) | {"revision": self._revision} for model in added]
            )

    def update_models(self, changed: Sequence[Model]) -> None:
        """Replaces the models of the same ids."""
        if changed:
            # One prepared statement for all: 5,000 of them in their own would hold other writers up for seconds.
            columns: dict[str, BindParameter[Any]] = {
                column.name: bindparam(column.name) for column in models.columns if column.name != "id"
            }
            statement = update(models).where(models.c.id == bindparam("which")).values(columns)
            rows = [model_to_row(model) | {"revision": self._revision} for model in changed]
            self._connection.execute(statement, [row | {"which": row.pop("id")} for row in rows])
