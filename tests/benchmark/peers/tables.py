"""The tables of the peer with a database, as SQLAlchemy's users declare them, and the models that fill them."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Uuid, insert
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import Text

from tests.benchmark.peers.arguments import Arguments

_ORGANIZATION = "organization-1"
# So many that the caller's is found by its index.
_OTHER_KEYS = 1_000


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012  (as SQLAlchemy's documentation has it)
        str: Text,
        datetime: TIMESTAMP(timezone=True),
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
    }


class OrganizationRow(Base):
    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(primary_key=True)


class ApiKeyRow(Base):
    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ModelRow(Base):
    __tablename__ = "models"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    organization_id: Mapped[str | None] = mapped_column(ForeignKey("organizations.id"), index=True)
    parent_model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    position: Mapped[int]
    enabled: Mapped[bool]
    model_name: Mapped[str]
    display_name: Mapped[str]
    provider: Mapped[str]
    description: Mapped[str | None]
    context_window: Mapped[int]
    max_tokens: Mapped[int | None]
    max_tokens_per_request: Mapped[int | None]
    cost_per_1k_tokens: Mapped[float | None]
    credit_multiplier: Mapped[int | None]
    capabilities: Mapped[list[str]]
    compliance: Mapped[list[str]]
    encryption_supported: Mapped[bool]
    pii_redaction_supported: Mapped[bool]
    supports_reasoning: Mapped[bool]
    supports_streaming: Mapped[bool]
    supports_tools: Mapped[bool]
    supports_vision: Mapped[bool]
    # `metadata` is SQLAlchemy's own.
    details: Mapped[dict[str, Any]] = mapped_column("metadata")
    system_prompt: Mapped[str | None]
    system_prompt_id: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def is_system_model(self) -> bool:
        return self.organization_id is None


def digest(key: str) -> bytes:
    """Returns what is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


async def seed(connection: AsyncConnection, given: Arguments) -> None:
    """Creates the tables, with the models of the answers and the caller's key among others."""
    await connection.run_sync(Base.metadata.create_all)
    one = json.loads(given.read("get.json"))
    listed = json.loads(given.read("list.json"))["data"]
    await connection.execute(insert(OrganizationRow), {"id": _ORGANIZATION})
    keys = [given.key, *(secrets.token_urlsafe() for _ in range(_OTHER_KEYS))]
    await connection.execute(
        insert(ApiKeyRow), [{"digest": digest(key), "organization_id": _ORGANIZATION} for key in keys]
    )
    await connection.execute(insert(ModelRow), [_row(position, entry, one) for position, entry in enumerate(listed)])
    await connection.exec_driver_sql("ANALYZE")


def _row(position: int, listed: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """Returns a listed model's row. What a list does not show, each has from the one model that `get` answers."""
    (permission,), facts = listed["permission"], listed["cloakr_metadata"]
    created = datetime.fromtimestamp(listed["created"], UTC)
    return {
        "id": str(UUID(permission["id"].removeprefix("modelperm-"))),
        "position": position,
        "enabled": one["enabled"],
        "model_name": listed["id"],
        "display_name": one["displayName"],
        "provider": listed["owned_by"],
        "description": one.get("description"),
        "context_window": facts["context_window"],
        "max_tokens": facts.get("max_tokens"),
        "max_tokens_per_request": one.get("maxTokensPerRequest"),
        "cost_per_1k_tokens": facts.get("cost_per_1k_tokens"),
        "credit_multiplier": one.get("creditMultiplier"),
        "capabilities": facts["capabilities"],
        "compliance": facts["compliance"],
        "encryption_supported": facts["encryption_supported"],
        "pii_redaction_supported": facts["pii_redaction_supported"],
        "supports_reasoning": one["supportsReasoning"],
        "supports_streaming": one["supportsStreaming"],
        "supports_tools": one["supportsTools"],
        "supports_vision": one["supportsVision"],
        "metadata": one["metadata"],
        "created_at": created,
        "updated_at": created,
    }
