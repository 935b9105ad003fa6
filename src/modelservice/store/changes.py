"""Reads what changed since a revision. Servers call it in a loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, select

from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.principal import ApiKey, Client
from modelservice.errors import DatabaseBehindError
from modelservice.store.database import Database
from modelservice.store.rows import client_from_row, key_from_row, model_from_row
from modelservice.store.schema import require_current
from modelservice.store.table_reader import Rows, TableReader, UnreadableRow
from modelservice.store.tables import api_keys, clients, models, revisions

# Tables whose rows servers hold in memory.
MODELS: Final = models.name
HELD: Final = (MODELS, api_keys.name, clients.name)
# How many past revisions a server remembers.
_REMEMBERED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Revision:
    """A state of the database: the number of its last write, and that write's random token.

    Attributes:
        number: Number of writes so far.
        token: Distinguishes equal numbers of different histories. Tokens are never shown to callers.
        past: Tokens of remembered earlier revisions, by number.
        secret: Token of the first revision: random, permanent and shared by all servers; empty before the first write.
    """

    number: int
    token: str
    past: Mapping[int, str] = field(default_factory=dict, compare=False, repr=False)
    secret: str = field(default="", compare=False, repr=False)


# Before the first write.
_NO_REVISION: Final = Revision(0, "")


@dataclass(frozen=True, slots=True)
class Changes:
    """New, changed and deleted rows. `deleted_…` include unreadable ones: none may be served.

    Attributes:
        revision: The state that these changes lead to.
        complete: Whether this is the whole database, rather than the difference from another state.
        keys: Includes revoked keys.
        rows: The changed rows, as table and id. Empty if the changes are complete.
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
    unreadable: tuple[UnreadableRow, ...] = ()
    rows: frozenset[tuple[str, str]] = frozenset()


def read_changes(database: Database, held: Revision | None, pause: Callable[[], None] = lambda: None) -> Changes | None:
    """Reads all changes since the state `held` from one state of the database.

    Args:
        database: The database.
        held: The state that the caller holds, or None.
        pause: Called after every few rows, so that a long read lets others work, and after every response of Postgres.

    Returns:
        The changes; everything if the caller holds nothing, or a state outside the database's history (a backup was
        restored); None if nothing changed.

    Raises:
        DatabaseBehindError: The database is at a state that the caller has already passed.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be read.
    """
    with database.transaction(pause) as connection:
        if held is None:
            require_current(connection, database.name)
        # One query per poll tells whether anything changed and whether `held` is still in the history.
        history = _history(connection, held.number if held else 0)
        newest = (history or _history(connection, 0, 1) or [_NO_REVISION])[0]
        if newest == held:
            return None
        if held and held.past.get(newest.number) == newest.token:
            raise DatabaseBehindError(f"{database.name}: is at revision {newest.number}, and was at {held.number}")
        complete = held is None or not (held in history or _in_history(connection, held))
        since = _NO_REVISION if held is None or complete else held
        revision = _with_past(newest, since, history, since.secret or _secret(connection))
        return _changes(TableReader(connection, since.number, pause), revision, complete)


def _changes(reader: TableReader, revision: Revision, complete: bool) -> Changes:  # noqa: FBT001
    found = reader.read(models, model_from_row)
    keys = reader.read(api_keys, key_from_row)
    machines = reader.read(clients, client_from_row)
    tables: list[Rows[Any]] = [found, keys, machines]
    return Changes(
        revision=revision,
        complete=complete,
        models=tuple(one for one in found.found if isinstance(one, Model)),
        organization_models=tuple(one for one in found.found if isinstance(one, OrganizationModel)),
        keys=tuple(keys.found),
        clients=tuple(machines.found),
        deleted_models=_uuids(_gone(found)),
        deleted_keys=_gone(keys),
        deleted_clients=_gone(machines),
        unreadable=tuple(row for rows in tables for row in rows.unreadable),
        rows=frozenset((name, row_id) for name, rows in zip(HELD, tables, strict=True) for row_id in rows.ids)
        if not complete
        else frozenset(),
    )


def _gone(rows: Rows[Any]) -> frozenset[str]:
    return frozenset(rows.deleted | {row.id for row in rows.unreadable})


def _uuids(ids: Iterable[str]) -> frozenset[UUID]:
    found = set()
    for row_id in ids:
        # Servers hold nothing under an id that is not a UUID.
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            found.add(UUID(row_id))
    return frozenset(found)


def _history(connection: Connection, since: int, most: int = _REMEMBERED) -> list[Revision]:
    """Returns the newest revisions from number `since` on, newest first."""
    rows = connection.execute(
        select(revisions.c.number, revisions.c.token)
        .where(revisions.c.number >= since)
        .order_by(revisions.c.number.desc())
        .limit(most)
    )
    return [Revision(row.number, row.token) for row in rows]


def _secret(connection: Connection) -> str:
    token = connection.execute(select(revisions.c.token).order_by(revisions.c.number).limit(1)).scalar()
    return str(token or "")


def _with_past(newest: Revision, since: Revision, history: Sequence[Revision], secret: str) -> Revision:
    """Returns `newest` with its past: what the server remembered, and the new history."""
    past = {**since.past, since.number: since.token, **{one.number: one.token for one in history}}
    kept = sorted(past)[-_REMEMBERED:]
    remembered = {number: past[number] for number in kept if number < newest.number}
    return Revision(newest.number, newest.token, remembered, secret)


def _in_history(connection: Connection, held: Revision) -> bool:
    if held == _NO_REVISION:
        return True
    token = connection.execute(select(revisions.c.token).where(revisions.c.number == held.number)).scalar()
    return token == held.token
