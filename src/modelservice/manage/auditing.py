"""The audit log."""

from __future__ import annotations

from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import AuditRow, read


def list_audit(database_url: str, since: int) -> list[AuditRow]:
    """Returns the rows since a time in Unix seconds, oldest first."""
    with read(Database(database_url, Access.READ)) as queries:
        return queries.audit(since)
