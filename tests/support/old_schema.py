"""Databases with an older schema, and the rows that version 0.1 stored."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from modelservice.store import migrations
from modelservice.store.access import Access
from modelservice.store.database import Database

_LABELS = ("capabilities", "compliance", "sources")
_numbers = itertools.count(1)

# Columns without a value of their own: what 0.1 stored of a model of which a file stated only the required fields.
SYSTEM: dict[str, Any] = {
    "provider": "them",
    "created": 1_600_000_000,
    "updated": 1_600_000_500,
    "permission_id": None,
    "description": None,
    "enabled": True,
    "context_window": 0,
    "max_tokens": None,
    "max_tokens_per_request": None,
    "cost_per_1k_tokens": None,
    "credit_multiplier": None,
    "capabilities": [],
    "compliance": [],
    "encryption_supported": False,
    "pii_redaction_supported": False,
    "supports_streaming": False,
    "supports_tools": False,
    "metadata": "{}",
    "system_prompt": None,
    "system_prompt_id": None,
    "source": "",
    "sources": {},
    "deleted": False,
    "revision": 2,
}
OWNED: dict[str, Any] = {"created": 1_600_000_001, "updated": 1_600_000_501, "enabled": True, "revision": 3}


def old_database(url: str, version: str = "0003") -> None:
    """Creates the tables of an older schema."""
    with Database(url, Access.CREATE).transaction() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, version)


def add(url: str, table: str, **columns: Any) -> None:
    """Adds a row as it is: a list or dict as JSON, bytes as text that is not UTF-8 (SQLite only)."""
    names = ", ".join(columns)
    marks = ", ".join(f"CAST(:{name} AS TEXT)" if isinstance(columns[name], bytes) else f":{name}" for name in columns)
    values = {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in columns.items()}
    with Database(url, Access.CREATE).transaction() as connection:
        connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)  # noqa: S608


def add_revisions(url: str, last: int) -> None:
    """Records as many writes."""
    for number in range(1, last + 1):
        add(url, "revisions", number=number, token=f"token-{number}", created=1_600_000_000 + number)
        who = {"created": 1, "actor": "me", "action": "test", "subject": f"s{number}"}
        add(url, "audit", revision=number, detail={"n": number}, **who)
    with Database(url, Access.CREATE).transaction() as connection:
        connection.execute(sa.text("UPDATE head SET revision = :last"), {"last": last})


def add_system_model(url: str, name: str, /, **columns: Any) -> str:
    """Adds a system model, and returns its UUID."""
    number = next(_numbers)
    place = {"id": str(UUID(int=number)), "name": name, "display_name": f"The {name}", "position": number}
    add(url, "models", **{**SYSTEM, **place, **columns})
    return str(columns.get("id", place["id"]))


def add_own_model(url: str, name: str, parent_id: str, /, **columns: Any) -> str:
    """Adds a model of the organization `acme`, and returns its UUID."""
    number = next(_numbers)
    place = {"id": str(UUID(int=number)), "name": name, "display_name": f"Our {name}", "position": number}
    place |= {"organization_id": "acme", "parent_id": parent_id}
    add(url, "organization_models", **{**OWNED, **place, **columns})
    return str(place["id"])
