"""A connection to Postgres that waits for no answer for ever."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up a database that does not answer, or a proxy before it that hangs.

    Attributes:
        patience: How long to wait for each answer, in seconds.
    """

    patience: float | None = None

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Waits for an answer, as the library has it, but not for longer than `patience`.

        Raises:
            psycopg.OperationalError: There was none. The connection is closed.
        """
        try:
            return super().wait(gen, interval, timeout or self.patience)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # Nobody waits once more, for a rollback.
                self.pgconn.finish()
            raise
