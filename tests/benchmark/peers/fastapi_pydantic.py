"""FastAPI with pydantic response models: the models are built once, each answer is serialized for its request."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from tests.benchmark.peers.arguments import arguments
from tests.benchmark.peers.bearer import bearer_of
from tests.benchmark.peers.uvicorn_server import run


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


given = arguments()
listed = ModelList.model_validate_json(given.read("list.json"))
models = {given.model_id: Model.model_validate_json(given.read("get.json"))}
app = FastAPI(dependencies=[Depends(bearer_of(given.key))])


# What is unknown is absent from the documented answers, and so it is here.
@app.get("/v1/models", response_model=ModelList, response_model_exclude_unset=True)
async def list_models() -> ModelList:
    return listed


@app.get("/v1/models/{model_id}", response_model=Model, response_model_exclude_unset=True)
async def get_model(model_id: str) -> Model:
    if model_id not in models:
        raise HTTPException(404)
    return models[model_id]


run(app, given.port)
