"""Postgres: connections that can do no more, and take no longer, than their work needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from modelservice.domain.values import canonical_json
from modelservice.hosts import is_loopback
from modelservice.store.access import LOCK_TIMEOUT, Access

if TYPE_CHECKING:
    from modelservice.store.bounded import BoundedConnection

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

    # Neither libpq nor the dialect has a timeout for an answer.
    @event.listens_for(engine, "do_connect")
    def connect(_: Dialect, __: object, arguments: list[Any], parameters: dict[str, Any]) -> BoundedConnection:
        from modelservice.store.bounded import BoundedConnection  # noqa: PLC0415  (most commands' database is a file)

        connection = BoundedConnection.connect(*arguments, **parameters)
        connection.patience = _STATEMENT_TIMEOUTS[access] + _GRACE
        return connection

    @event.listens_for(engine, "after_cursor_execute")
    def answered(connection: Connection, *_: object) -> None:
        connection.info["answered"]()

    return engine


def unencrypted_host(engine: Engine) -> str | None:
    """Returns a host that a connection reaches over a network, and possibly without TLS; None for none."""
    from psycopg.pq import Conninfo  # noqa: PLC0415  (most commands' database is a file)

    # What libpq takes from its own variables (PGSSLMODE, say) and files, then the URL.
    settings = {one.keyword.decode(): one.val.decode() for one in Conninfo.get_defaults() if one.val}
    settings |= {name: str(value) for name, value in engine.dialect.create_connect_args(engine.url)[1].items()}
    # Below `require`, TLS is at best what whoever stands in between allows. `sslrootcert=system` implies `verify-full`.
    if (
        settings.get("sslmode") in {"require", "verify-ca", "verify-full"}
        or settings.get("sslrootcert") == "system"
        or settings.get("gssencmode") == "require"
    ):
        return None
    hosts = (settings.get("hostaddr") or settings.get("host") or "").split(",")
    # Without a host, and with a path, it is a Unix socket; `@` begins a name of Linux's own for one.
    remote = (host for host in hosts if host and not host.startswith(("/", "@")) and not is_loopback(host))
    return next(remote, None)
