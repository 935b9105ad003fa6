"""What servers read: what is new."""

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
from modelservice.store.rows import client_from_row, key_from_row, model_from_row, organization_model_from_row
from modelservice.store.schema import require_current
from modelservice.store.table_reader import Rows, TableReader, Unreadable
from modelservice.store.tables import api_keys, clients, models, organization_models, revisions

# The tables of which servers hold the rows.
SYSTEM_MODELS: Final = models.name
ORGANIZATION_MODELS: Final = organization_models.name
HELD: Final = (SYSTEM_MODELS, ORGANIZATION_MODELS, api_keys.name, clients.name)
# Columns for writers alone.
WRITERS: Final = ("source", "sources")
# How many revisions back a server recognizes as its own past.
_REMEMBERED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Revision:
    """A state of the database: the number of its last write, and that write's random token.

    Attributes:
        number: How many writes there were.
        token: What tells it from the same number of another history.
        past: The tokens of the revisions before, by number, as far as they are remembered.
        secret: The token of the database's first revision: random, and the same for all its servers and for ever. None
            of these tokens is ever shown to a caller. Empty before the first write.
    """

    number: int
    token: str
    past: Mapping[int, str] = field(default_factory=dict, compare=False, repr=False)
    secret: str = field(default="", compare=False, repr=False)


# Before the first write.
_NO_REVISION: Final = Revision(0, "")


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
        deleted_models: The UUIDs of deleted models, of either kind, and of those that cannot be read: what is held of
            them is not to be served any longer.
        deleted_keys: The ids of keys, likewise.
        deleted_clients: The ids of clients, likewise.
        unreadable: The rows that cannot be read.
        rows: The rows that these changes come from, as table and id. Empty when the changes are complete.
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
    unreadable: tuple[Unreadable, ...] = ()
    rows: frozenset[tuple[str, str]] = frozenset()


def read_changes(database: Database, held: Revision | None, pause: Callable[[], None] = lambda: None) -> Changes | None:
    """Reads what is new, all of it from one state of the database.

    Args:
        database: The database.
        held: The state that the caller holds, or None for none.
        pause: Called after every few rows, so that a long read can let others work, and after every answer of Postgres.

    Returns:
        What is new since then; everything when the caller holds nothing, or a state that is not in the database's
        history (a backup was restored); None when nothing is new.

    Raises:
        DatabaseBehindError: The database is where the caller has been before.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be read now.
    """
    with database.transaction(pause) as connection:
        if held is None:
            require_current(connection, database.name)
        # One question, for each of many a day: what is new, and whether what is held is still in the history.
        history = _history(connection, held.number if held else 0)
        newest = (history or _history(connection, 0, 1) or [_NO_REVISION])[0]
        if newest == held:
            return None
        if held and held.past.get(newest.number) == newest.token:
            raise DatabaseBehindError(f"{database.name}: is at revision {newest.number}, after it was at {held.number}")
        complete = held is None or not (held in history or _in_history(connection, held))
        since = _NO_REVISION if held is None or complete else held
        revision = _with_past(newest, since, history, since.secret or _secret(connection))
        return _changes(TableReader(connection, since.number, pause), revision, complete)


def _changes(reader: TableReader, revision: Revision, complete: bool) -> Changes:  # noqa: FBT001  (what it makes says it)
    system = reader.read(models, model_from_row, without=WRITERS)
    owned = reader.read(organization_models, organization_model_from_row)
    keys = reader.read(api_keys, key_from_row)
    machines = reader.read(clients, client_from_row)
    tables: list[Rows[Any]] = [system, owned, keys, machines]
    return Changes(
        revision=revision,
        complete=complete,
        models=tuple(system.found),
        organization_models=tuple(owned.found),
        keys=tuple(keys.found),
        clients=tuple(machines.found),
        deleted_models=_uuids(_gone(system) | _gone(owned)),
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
        # Nothing is held under an id that is no UUID.
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            found.add(UUID(row_id))
    return frozenset(found)


def _history(connection: Connection, since: int, most: int = _REMEMBERED) -> list[Revision]:
    """Returns the newest revisions from a number on, the newest first."""
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
    """Returns the revision with the past that a server will remember: what it did before, and what is new."""
    past = {**since.past, since.number: since.token, **{one.number: one.token for one in history}}
    kept = sorted(past)[-_REMEMBERED:]
    remembered = {number: past[number] for number in kept if number < newest.number}
    return Revision(newest.number, newest.token, remembered, secret)


def _in_history(connection: Connection, held: Revision) -> bool:
    if held == _NO_REVISION:
        return True
    token = connection.execute(select(revisions.c.token).where(revisions.c.number == held.number)).scalar()
    return token == held.token
