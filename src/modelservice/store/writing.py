"""The only way to write to the database.

A write is one transaction. It locks the head row first, so that writes are serialized and revisions become visible in
order. It takes a revision with its first change and must then record an audit row. A write without changes leaves no
trace.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Connection, Table, and_, bindparam, delete, insert, select, update

from modelservice.domain.layers import Document, Source, digested
from modelservice.domain.principal import ApiKey, Client, Organization
from modelservice.domain.values import canonical_json, check_line
from modelservice.store.database import Database
from modelservice.store.queries import Queries
from modelservice.store.rows import Record, key_to_row, record_to_row
from modelservice.store.schema import require_current
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

# A layer, by its source and whether that guesses, and its document before and after; None where there is none.
Replaced = tuple[tuple[str, bool], Document | None, Document | None]


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

    # --- Models -------------------------------------------------------------------------------------------------------

    def put_models(self, added: Sequence[Record], changed: Sequence[Record]) -> None:
        """Adds models, whose UUIDs must be unused, and replaces the models with the same UUIDs."""
        if added:
            self._connection.execute(insert(models), [self._model_row(record) for record in added])
        if changed:
            # One prepared statement: 5,000 separate ones would block other writers for seconds.
            columns: dict[str, BindParameter[Any]] = {
                column.name: bindparam(column.name) for column in models.columns if column.name != "id"
            }
            statement = update(models).where(models.c.id == bindparam("which")).values(columns)
            rows = [self._model_row(record) for record in changed]
            self._connection.execute(statement, [row | {"which": row.pop("id")} for row in rows])

    def put_states(self, added: Sequence[Record], changed: Sequence[Record]) -> None:
        """Records the names of models, and whether they are deleted."""
        self._end(model_states, ("model_id",), [(str(record.id),) for record in changed])
        self._begin(
            model_states,
            [
                {"model_id": str(record.id), "name": record.name, "deleted": record.deleted}
                for record in (*added, *changed)
            ],
        )

    def put_layers(self, changed: Mapping[UUID, Sequence[Replaced]]) -> None:
        """Replaces layers of models."""
        found = [(str(uuid), *one) for uuid, replaced in changed.items() for one in replaced]
        ended = [((uuid, *key), before) for uuid, key, before, _ in found if before is not None]
        # What ends is kept without private values.
        for key, before in ended:
            private = digested(before)
            if private is not before:
                self._connection.execute(
                    update(layers)
                    .where(_current(layers, ("model_id", "source", "guessed"), key))
                    .values(document=canonical_json(private))
                )
        self._end(layers, ("model_id", "source", "guessed"), [key for key, _ in ended])
        self._begin(
            layers,
            [
                {"model_id": uuid, "source": source, "guessed": guessed, "document": canonical_json(after)}
                for uuid, (source, guessed), _, after in found
                if after is not None
            ],
        )

    def put_sources(self, changed: Sequence[Source]) -> None:
        """Records the ranks of sources."""
        self._end(sources, ("name",), [(source.name,) for source in changed])
        self._begin(sources, [{"name": source.name, "rank": source.rank} for source in changed])

    def forget_before(self, revision: int) -> None:
        """Removes from the history what ended until a revision."""
        for table in (layers, model_states, sources):
            self._connection.execute(delete(table).where(table.c.until_revision <= revision))
        self._connection.execute(update(head).where(head.c.history_from < revision).values(history_from=revision))

    def forget_layers(self, ids: Collection[UUID]) -> int:
        """Removes what history has of models, now and before. Returns the number of rows."""
        count = 0
        for model_id in ids:
            count += self._connection.execute(delete(layers).where(layers.c.model_id == str(model_id))).rowcount
        return count

    def replace_audit_detail(self, revision: int, detail: Mapping[str, Any]) -> None:
        """Replaces what is recorded of a revision, to erase values from it."""
        self._connection.execute(update(audit).where(audit.c.revision == revision).values(detail=dict(detail)))

    def _model_row(self, record: Record) -> dict[str, Any]:
        return record_to_row(record) | {"revision": self._revision}

    def _end(self, table: Table, names: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> None:
        """Ends the current rows with these keys."""
        if not keys:
            return
        bound = [{f"which_{name}": value for name, value in zip(names, key, strict=True)} for key in keys]
        current = _current(table, names, [bindparam(f"which_{name}") for name in names])
        self._connection.execute(update(table).where(current).values(until_revision=self._revision), bound)

    def _begin(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._connection.execute(insert(table), [{**row, "from_revision": self._revision} for row in rows])

    def _add_again(self, table: Table, row_id: str, values: Mapping[str, Any]) -> None:
        all_values = {**values, "deleted": False, "revision": self._revision}
        if not self._connection.execute(update(table).where(table.c.id == row_id).values(all_values)).rowcount:
            self._connection.execute(insert(table).values(id=row_id, **all_values))

    def _mark_deleted(self, table: Table, row_id: str, blank: Mapping[str, Any]) -> None:
        self._connection.execute(
            update(table).where(table.c.id == row_id).values(**blank, deleted=True, revision=self._revision)
        )


def _current(table: Table, names: Sequence[str], values: Sequence[Any]) -> ColumnElement[bool]:
    pairs = zip(names, values, strict=True)
    return and_(table.c.until_revision.is_(None), *(table.c[name] == value for name, value in pairs))
