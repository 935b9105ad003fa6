"""The documents' shapes as pydantic models, as FastAPI's users write them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Permission(BaseModel):
    id: str
    object: str
    created: int
    allow_create_engine: bool
    allow_sampling: bool
    allow_logprobs: bool
    allow_search_indices: bool
    allow_view: bool
    allow_fine_tuning: bool
    organization: str
    group: str | None
    is_blocking: bool


class CloakrMetadata(BaseModel):
    encryption_supported: bool
    pii_redaction_supported: bool
    cost_per_1k_tokens: float | None = None
    max_tokens: int | None = None
    context_window: int
    capabilities: list[str]
    compliance: list[str]


class ListedModel(BaseModel):
    id: str
    object: str
    created: int
    owned_by: str
    permission: list[Permission]
    root: str
    parent: str | None
    cloakr_metadata: CloakrMetadata


class ModelList(BaseModel):
    object: str
    data: list[ListedModel]


class Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, protected_namespaces=())

    context_window: int
    created_at: datetime
    credit_multiplier: int | None = None
    description: str | None = None
    display_name: str
    enabled: bool
    id: str
    is_system_model: bool
    max_tokens_per_request: int | None = None
    metadata: dict[str, Any]
    model_name: str | None = None
    parent_model_id: str | None = None
    provider: str | None = None
    supports_reasoning: bool
    supports_streaming: bool
    supports_tools: bool
    supports_vision: bool
    system_prompt: str | None = None
    system_prompt_id: str | None = None
    updated_at: datetime
