"""The audit log: what it records of changed values, and its rows. Of prompts it has only length and digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import AuditRow, read

# The value before and after, by field.
Difference = Mapping[str, tuple[Any, Any]]


def difference(old: object, new: object, fields: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    """Returns the fields in which two objects differ, with both values. Fields of a missing object are None."""
    pairs = {name: (getattr(old, name, None), getattr(new, name, None)) for name in fields}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def audited(changes: Difference) -> dict[str, list[Any]]:
    """Returns a difference as the audit stores it."""
    return {name: [_value(name, value) for value in pair] for name, pair in changes.items()}


def list_audit(database_url: str, since: int) -> list[AuditRow]:
    """Returns the rows since a time in Unix seconds, oldest first."""
    with read(Database(database_url, Access.READ)) as queries:
        return queries.audit(since)


def _value(name: str, value: object) -> object:
    match value:
        case str() if name == "system_prompt":
            return {"characters": len(value), "sha256": hashlib.sha256(value.encode()).hexdigest()}
        case UUID():
            return str(value)
        case _:
            return value
