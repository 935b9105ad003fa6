"""Postgres: connections that can do no more, and take no longer, than their work needs."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any, Final, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from modelservice.domain.values import canonical_json
from modelservice.store.access import LOCK_TIMEOUT, Access

# How long a statement may take, in seconds. A migration may rewrite a table; nothing else takes a tenth of this.
_STATEMENT_TIMEOUTS: Final = {Access.READ: 10.0, Access.WRITE: 10.0, Access.CREATE: 120.0}
# Beyond that: for a database that does not answer at all, and so does not end a statement either.
_GRACE: Final = 5.0
# For a write that has stopped in the middle. Longer than others wait for it: they are told, before it is ended.
_IDLE_TIMEOUT: Final = 2 * LOCK_TIMEOUT
_CONNECT_TIMEOUT: Final = 5

_CONNECT_ARGUMENTS: Final[dict[str, Any]] = {
    "application_name": "modelservice",
    "connect_timeout": _CONNECT_TIMEOUT,
    # Of several hosts, the one that can be written: what is read elsewhere may be old. (Not `read-write`, which means a
    # server whose transactions are not read-only by default, whatever it is.)
    "target_session_attrs": "primary",
    # A peer that is gone without a word is found in half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def postgres_engine(url: URL, access: Access, *, kept: bool) -> Engine:
    """Returns what connects to a Postgres database.

    Args:
        url: `postgresql+psycopg://…`. What libpq understands may be in its query, and goes before what is set here.
        access: What the connections may do.
        kept: Whether one connection is kept between transactions. Without, each connects anew.
    """
    reading = access is Access.READ
    arguments = {name: value for name, value in _CONNECT_ARGUMENTS.items() if name not in url.query}
    engine = create_engine(
        url,
        # No prepared statements: a pooler before the database may give each transaction another connection.
        connect_args={**arguments, "prepare_threshold": None},
        json_serializer=canonical_json,
        # Errors go into logs.
        hide_parameters=True,
        # All reads of a transaction see one state. A write sees what was committed before it got the lock.
        isolation_level="REPEATABLE READ" if reading else "READ COMMITTED",
        **({"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0} if kept else {"poolclass": NullPool}),
    ).execution_options(postgresql_readonly=reading)

    # Within the transaction, so that they hold through a pooler as well.
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(
            "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),"
            " set_config('idle_in_transaction_session_timeout', %s, true)",
            tuple(f"{int(seconds * 1000)}ms" for seconds in (_STATEMENT_TIMEOUTS[access], LOCK_TIMEOUT, _IDLE_TIMEOUT)),
        )

    # Each answer is a sign of life. Who fetches one in pieces says so for each piece.
    @event.listens_for(engine, "after_cursor_execute")
    def answered(connection: Connection, *_: object) -> None:
        postpone_deadline(connection)
        connection.info["answered"]()

    return engine


def postpone_deadline(connection: Connection) -> None:
    """Says that the database has answered, in the middle of a transaction that takes long."""
    deadline: Deadline | None = connection.info.get("deadline")
    if deadline:
        deadline.postpone()


def patience(access: Access) -> float:
    """Returns for how many seconds an answer of the database is waited for."""
    return _STATEMENT_TIMEOUTS[access] + _GRACE


class Deadline:
    """Gives a connection up when the database does not answer in time: its socket is shut, and whoever waits is told.

    Neither libpq nor the driver has a timeout for an answer; a database that hangs, or a proxy before it, would be
    waited for without end.

    Args:
        connection: The connection.
        patience: For how many seconds to wait, from the beginning or the last `postpone`.
    """

    def __init__(self, connection: Connection, patience: float) -> None:
        # A duplicate: the driver may close its own at any time, and its number be another's then.
        self._socket = socket.socket(fileno=os.dup(connection.connection.dbapi_connection.fileno()))  # type: ignore[union-attr]
        self._patience = patience
        self._moved = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._watch, name="database deadline", daemon=True)

    def postpone(self) -> None:
        """Begins to wait anew: an answer has come."""
        self._moved.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._moved.set()
        self._thread.join()
        self._socket.close()

    def _watch(self) -> None:
        while self._moved.wait(self._patience):
            if self._ended:
                return
            self._moved.clear()
        self._socket.shutdown(socket.SHUT_RDWR)
