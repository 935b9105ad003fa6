"""Postgres connections with the least privilege and bounded waits."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, TypeVar

import psycopg
from psycopg.pq import Conninfo, TransactionStatus
from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from modelservice.domain.values import canonical_json
from modelservice.hosts import is_loopback
from modelservice.store.access import LOCK_TIMEOUT, Access

T = TypeVar("T")

# Statement timeouts in seconds. A migration may rewrite a table; anything else takes less than a tenth of this.
_STATEMENT_TIMEOUTS: Final = {Access.READ: 10.0, Access.WRITE: 10.0, Access.CREATE: 120.0}
# Seconds on top of that, for a database that does not respond and so does not enforce its own timeout.
_GRACE: Final = 5.0
# Ends a write that stalls in a transaction. Longer than the lock timeout: waiting writers get their error first.
_IDLE_TIMEOUT: Final = 2 * LOCK_TIMEOUT
_CONNECT_TIMEOUT: Final = 5

_CONNECT_ARGUMENTS: Final[dict[str, Any]] = {
    "application_name": "modelservice",
    "connect_timeout": _CONNECT_TIMEOUT,
    # Of several hosts, use the primary: a standby may lag. `read-write` only tests `default_transaction_read_only`.
    "target_session_attrs": "primary",
    # Detects a dead peer within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up on a database or proxy that does not respond.

    Attributes:
        patience: How long to wait for each response, in seconds.
    """

    patience: float | None = None

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Waits for a response for at most `patience`, then closes the connection and raises OperationalError."""
        try:
            return super().wait(gen, interval, timeout or self.patience)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # Closed, so that a rollback does not wait again.
                self.pgconn.finish()
            raise


def postgres_engine(url: URL, access: Access, *, kept: bool) -> Engine:
    """Returns an engine for a Postgres database.

    Args:
        url: `postgresql+psycopg://…`. libpq parameters in its query override the defaults above.
        access: What the connections may do.
        kept: Keep one connection open between transactions, rather than connect for each.
    """
    reading = access is Access.READ
    arguments = {name: value for name, value in _CONNECT_ARGUMENTS.items() if name not in url.query}
    engine = create_engine(
        url,
        # No prepared statements: a pooler may run each transaction on another connection.
        connect_args={**arguments, "prepare_threshold": None},
        json_serializer=canonical_json,
        # Errors are logged.
        hide_parameters=True,
        # All reads of a transaction see one state. A write sees what was committed before it got the lock.
        isolation_level="REPEATABLE READ" if reading else "READ COMMITTED",
        **({"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0} if kept else {"poolclass": NullPool}),
    ).execution_options(postgresql_readonly=reading)

    # Set inside the transaction, so that the timeouts hold through a pooler too.
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(
            "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),"
            " set_config('idle_in_transaction_session_timeout', %s, true)",
            tuple(f"{int(seconds * 1000)}ms" for seconds in (_STATEMENT_TIMEOUTS[access], LOCK_TIMEOUT, _IDLE_TIMEOUT)),
        )

    # Neither libpq nor the dialect limits the wait for a response.
    @event.listens_for(engine, "do_connect")
    def connect(_: Dialect, __: object, arguments: list[Any], parameters: dict[str, Any]) -> BoundedConnection:
        connection = BoundedConnection.connect(*arguments, **parameters)
        connection.patience = _STATEMENT_TIMEOUTS[access] + _GRACE
        return connection

    @event.listens_for(engine, "after_cursor_execute")
    def answered(connection: Connection, *_: object) -> None:
        connection.info["answered"]()

    return engine


def unencrypted_host(engine: Engine) -> str | None:
    """Returns a host that connections may reach over a network without TLS, or None."""
    # libpq reads its own variables (PGSSLMODE) and files; the URL overrides them.
    settings = {one.keyword.decode(): one.val.decode() for one in Conninfo.get_defaults() if one.val}
    settings |= {name: str(value) for name, value in engine.dialect.create_connect_args(engine.url)[1].items()}
    # Below `require`, an attacker in between can turn TLS off. `sslrootcert=system` implies `verify-full`.
    if (
        settings.get("sslmode") in {"require", "verify-ca", "verify-full"}
        or settings.get("sslrootcert") == "system"
        or settings.get("gssencmode") == "require"
    ):
        return None
    hosts = (settings.get("hostaddr") or settings.get("host") or "").split(",")
    # No host or a path is a Unix socket; `@` begins an abstract one on Linux.
    remote = (host for host in hosts if host and not host.startswith(("/", "@")) and not is_loopback(host))
    return next(remote, None)
