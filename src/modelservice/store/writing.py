"""The only way to write to the database.

A write is one transaction. It locks the head row first, so that writes are serialized and revisions become visible in
order. It takes a revision with its first change and must then record an audit row. A write without changes leaves no
trace.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Table, bindparam, insert, select, update

from modelservice.domain.model import OrganizationModel
from modelservice.domain.principal import ApiKey, Client, Organization
from modelservice.domain.values import check_line
from modelservice.store.database import Database
from modelservice.store.queries import Queries
from modelservice.store.rows import Sourced, key_to_row, organization_model_to_row, sourced_to_row
from modelservice.store.schema import require_current
from modelservice.store.tables import (
    api_keys,
    audit,
    clients,
    head,
    models,
    organization_models,
    organizations,
    revisions,
)


@contextlib.contextmanager
def write(database: Database, now: int, actor: str) -> Iterator[Write]:
    """Opens a write: committed as a whole at the end, or not at all.

    Args:
        database: The database, with `Access.WRITE`.
        now: In Unix seconds.
        actor: Recorded in the audit.

    Raises:
        InvalidValueError: The actor has a control character.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be reached, or another write held the lock for too long.
    """
    check_line("actor", actor)
    with database.transaction() as connection:
        require_current(connection, database.name)
        connection.execute(select(head.c.revision).with_for_update())
        change = Write(connection, now, actor)
        yield change
        change.require_audited()


class Write(Queries):
    """A write in progress; `now` is in Unix seconds."""

    def __init__(self, connection: Connection, now: int, actor: str) -> None:
        super().__init__(connection)
        self._actor = actor
        self._audited = False
        self.now = now

    # --- Revision and audit -------------------------------------------------------------------------------------------

    @cached_property
    def _revision(self) -> int:
        self._connection.execute(update(head).values(revision=head.c.revision + 1))
        number: int = self._connection.execute(select(head.c.revision)).scalar_one()
        self._connection.execute(insert(revisions).values(number=number, token=secrets.token_hex(16), created=self.now))
        return number

    def begin_new_history(self, least: int) -> int:
        """Makes every server reload the whole database. Call it before any change.

        Args:
            least: The new revision exceeds this, and all earlier ones.

        Returns:
            The last revision of the old history.
        """
        ended: int = self._connection.execute(select(head.c.revision)).scalar_one()
        self._connection.execute(update(revisions).values(token=secrets.token_hex(16)))
        self._connection.execute(update(head).values(revision=max(ended, least)))
        return ended

    def record(self, action: str, subject: str, detail: Mapping[str, Any]) -> None:
        """Records this write in the audit, once.

        Args:
            action: For example `keys.create`.
            subject: Id or name of the changed object.
            detail: Values before and after, without secrets.
        """
        self._connection.execute(
            insert(audit).values(
                revision=self._revision,
                created=self.now,
                actor=self._actor,
                action=action,
                subject=subject,
                detail=dict(detail),
            )
        )
        self._audited = True

    def require_audited(self) -> None:
        """Raises AssertionError if this write changed something without an audit row."""
        if "_revision" in vars(self) and not self._audited:
            raise AssertionError("a write without an audit row")

    # --- Organizations ------------------------------------------------------------------------------------------------

    def add_organization(self, organization: Organization) -> None:
        """Adds an organization. Its id must be unused or deleted."""
        self._add_again(organizations, organization.id, {"created": organization.created})

    def delete_organization(self, organization_id: str) -> None:
        """Deletes an organization. Delete its keys, clients and models first."""
        self._mark_deleted(organizations, organization_id, {})

    # --- API keys -----------------------------------------------------------------------------------------------------

    def add_key(self, key: ApiKey) -> None:
        """Adds an API key."""
        self._connection.execute(insert(api_keys).values(**key_to_row(key), deleted=False, revision=self._revision))

    def update_key(self, key: ApiKey) -> None:
        """Replaces the API key with the same id."""
        self._connection.execute(
            update(api_keys).where(api_keys.c.id == key.id).values(**key_to_row(key), revision=self._revision)
        )

    def delete_key(self, key_id: str) -> None:
        """Deletes an API key."""
        self._mark_deleted(api_keys, key_id, {"digest": b"", "name": "", "scopes": []})

    # --- Clients ------------------------------------------------------------------------------------------------------

    def add_client(self, client: Client) -> None:
        """Adds a client. Its id must be unused or deleted."""
        self._add_again(clients, client.id, {"organization_id": client.organization_id, "created": client.created})

    def delete_client(self, client_id: str) -> None:
        """Deletes a client."""
        self._mark_deleted(clients, client_id, {})

    # --- System models ------------------------------------------------------------------------------------------------

    def add_models(self, added: Sequence[Sourced]) -> None:
        """Adds system models. Their ids, names and positions must be unused."""
        if added:
            rows = [sourced_to_row(item) | {"deleted": False, "revision": self._revision} for item in added]
            self._connection.execute(insert(models), rows)

    def update_models(self, changed: Sequence[Sourced]) -> None:
        """Replaces the system models with the same ids."""
        if changed:
            # One prepared statement: 5,000 separate ones would block other writers for seconds.
            columns: dict[str, BindParameter[Any]] = {
                column.name: bindparam(column.name) for column in models.columns if column.name not in ("id", "deleted")
            }
            statement = update(models).where(models.c.id == bindparam("which")).values(columns)
            rows = [sourced_to_row(item) | {"revision": self._revision} for item in changed]
            self._connection.execute(statement, [row | {"which": row.pop("id")} for row in rows])

    def delete_model(self, model_id: UUID) -> None:
        """Deletes a system model without children. Its UUID stays taken, its name becomes free."""
        self._mark_deleted(models, str(model_id), {"name": str(model_id), "metadata": "{}", "system_prompt": None})

    # --- Organizations' models ----------------------------------------------------------------------------------------

    def add_organization_model(self, model: OrganizationModel) -> None:
        """Adds an organization's model. Its id, name and position must be unused."""
        row = organization_model_to_row(model)
        self._connection.execute(insert(organization_models).values(**row, deleted=False, revision=self._revision))

    def update_organization_model(self, model: OrganizationModel) -> None:
        """Replaces the organization's model with the same id."""
        row = organization_model_to_row(model) | {"revision": self._revision}
        self._connection.execute(
            update(organization_models).where(organization_models.c.id == str(model.id)).values(row)
        )

    def delete_organization_model(self, model_id: UUID) -> None:
        """Deletes an organization's model. Its UUID stays taken, its name becomes free."""
        blank = {"name": str(model_id), "metadata": None, "system_prompt": None}
        self._mark_deleted(organization_models, str(model_id), blank)

    def _add_again(self, table: Table, row_id: str, values: Mapping[str, Any]) -> None:
        all_values = {**values, "deleted": False, "revision": self._revision}
        if not self._connection.execute(update(table).where(table.c.id == row_id).values(all_values)).rowcount:
            self._connection.execute(insert(table).values(id=row_id, **all_values))

    def _mark_deleted(self, table: Table, row_id: str, blank: Mapping[str, Any]) -> None:
        self._connection.execute(
            update(table).where(table.c.id == row_id).values(**blank, deleted=True, revision=self._revision)
        )
