"""The one way to write.

A write is one transaction. It locks the head row first, so that writes happen one after the other and no reader sees a
revision before an earlier one. It takes a revision when it first changes something, and then says in the audit who did
what; one that changes nothing leaves no trace.
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
from modelservice.store.rows import key_to_row, model_to_row, organization_model_to_row
from modelservice.store.schema import require_current
from modelservice.store.sources import Sourced
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
    """Opens a write: all of it is committed at the end, or nothing.

    Args:
        database: The database, with `Access.WRITE`.
        now: In Unix seconds.
        actor: Who writes.

    Raises:
        InvalidValueError: The actor has a control character.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be reached, or another write held it for too long.
    """
    check_line("actor", actor)
    with database.transaction() as connection:
        require_current(connection, database.name)
        connection.execute(select(head.c.revision).with_for_update())
        change = Write(connection, now, actor)
        yield change
        change.require_audited()


class Write(Queries):
    """A write under way.

    Attributes:
        now: When it happens, in Unix seconds.
    """

    def __init__(self, connection: Connection, now: int, actor: str) -> None:
        super().__init__(connection)
        self._actor = actor
        self._audited = False
        self.now = now

    # --- What every write leaves --------------------------------------------------------------------------------------

    @cached_property
    def _revision(self) -> int:
        self._connection.execute(update(head).values(revision=head.c.revision + 1))
        number: int = self._connection.execute(select(head.c.revision)).scalar_one()
        self._connection.execute(insert(revisions).values(number=number, token=secrets.token_hex(16), created=self.now))
        return number

    def begin_new_history(self, least: int) -> int:
        """Has every server load all of the database, whatever it holds. To be called before anything is changed.

        Args:
            least: What the number of this write's revision must exceed, besides all that there were.

        Returns:
            The last revision of the history that ends here.
        """
        ended: int = self._connection.execute(select(head.c.revision)).scalar_one()
        self._connection.execute(update(revisions).values(token=secrets.token_hex(16)))
        self._connection.execute(update(head).values(revision=max(ended, least)))
        return ended

    def record(self, action: str, subject: str, detail: Mapping[str, Any]) -> None:
        """Says in the audit what this write does: once, and no secret.

        Args:
            action: What is done, as `keys.create`.
            subject: To what.
            detail: Before and after.
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
        """Makes sure that a write that changed something has said so."""
        if "_revision" in vars(self) and not self._audited:
            raise AssertionError("a write without an audit row")

    # --- Organizations ------------------------------------------------------------------------------------------------

    def add_organization(self, organization: Organization) -> None:
        """Adds an organization, whose id must be free: never used, or deleted."""
        self._add_again(organizations, organization.id, {"created": organization.created})

    def delete_organization(self, organization_id: str) -> None:
        """Deletes an organization. Its keys, clients and models are deleted before."""
        self._mark_deleted(organizations, organization_id, {})

    # --- API keys -----------------------------------------------------------------------------------------------------

    def add_key(self, key: ApiKey) -> None:
        """Adds an API key."""
        self._connection.execute(insert(api_keys).values(**key_to_row(key), deleted=False, revision=self._revision))

    def update_key(self, key: ApiKey) -> None:
        """Replaces the API key of the same id."""
        self._connection.execute(
            update(api_keys).where(api_keys.c.id == key.id).values(**key_to_row(key), revision=self._revision)
        )

    def delete_key(self, key_id: str) -> None:
        """Deletes an API key."""
        self._mark_deleted(api_keys, key_id, {"digest": b"", "name": "", "scopes": []})

    # --- Clients ------------------------------------------------------------------------------------------------------

    def add_client(self, client: Client) -> None:
        """Adds a client, whose id must be free: never used, or deleted."""
        self._add_again(clients, client.id, {"organization_id": client.organization_id, "created": client.created})

    def delete_client(self, client_id: str) -> None:
        """Deletes a client."""
        self._mark_deleted(clients, client_id, {})

    # --- System models ------------------------------------------------------------------------------------------------

    def add_models(self, added: Sequence[Sourced]) -> None:
        """Adds system models, whose ids, names and positions must be free."""
        if added:
            rows = [_sourced_row(item) | {"deleted": False, "revision": self._revision} for item in added]
            self._connection.execute(insert(models), rows)

    def update_models(self, changed: Sequence[Sourced]) -> None:
        """Replaces the system models of the same ids."""
        if changed:
            # One prepared statement for all: 5,000 of them in their own would hold other writers up for seconds.
            columns: dict[str, BindParameter[Any]] = {
                column.name: bindparam(column.name) for column in models.columns if column.name not in ("id", "deleted")
            }
            statement = update(models).where(models.c.id == bindparam("which")).values(columns)
            rows = [_sourced_row(item) | {"revision": self._revision} for item in changed]
            self._connection.execute(statement, [row | {"which": row.pop("id")} for row in rows])

    def delete_model(self, model_id: UUID) -> None:
        """Deletes a system model, which must have no children. Its UUID stays taken, its name is free."""
        self._mark_deleted(models, str(model_id), {"name": str(model_id), "metadata": "{}", "system_prompt": None})

    # --- Organizations' models ----------------------------------------------------------------------------------------

    def add_organization_model(self, model: OrganizationModel) -> None:
        """Adds an organization's model, whose id, name and position must be free."""
        row = organization_model_to_row(model)
        self._connection.execute(insert(organization_models).values(**row, deleted=False, revision=self._revision))

    def update_organization_model(self, model: OrganizationModel) -> None:
        """Replaces the organization's model of the same id."""
        row = organization_model_to_row(model) | {"revision": self._revision}
        self._connection.execute(
            update(organization_models).where(organization_models.c.id == str(model.id)).values(row)
        )

    def delete_organization_model(self, model_id: UUID) -> None:
        """Deletes an organization's model. Its UUID stays taken, its name is free."""
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


def _sourced_row(item: Sourced) -> dict[str, Any]:
    return model_to_row(item.model) | {"source": item.source, "sources": dict(item.sources)}
