"""FastAPI over SQLAlchemy and Postgres: what most teams write. Each request reads its key and its models."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import ConfigDict, Field
from sqlalchemy import ColumnElement, make_url, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from tests.benchmark.peers.arguments import arguments
from tests.benchmark.peers.pydantic_models import CloakrMetadata, ListedModel, Model, ModelList, Permission
from tests.benchmark.peers.tables import ApiKeyRow, ModelRow, digest, seed
from tests.benchmark.peers.uvicorn_server import run

given = arguments()
url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
# Two for each connection of the load, so that none is opened under it: a session ends after its answer is sent.
engine = create_async_engine(url, pool_size=20)
sessions = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await seed(connection, given)
    yield
    await engine.dispose()


async def new_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(new_session)]


async def authenticate(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())], session: Session
) -> ApiKeyRow:
    key = await session.scalar(select(ApiKeyRow).where(ApiKeyRow.digest == digest(credentials.credentials)))
    if key is None or key.revoked_at or (key.expires_at and key.expires_at <= datetime.now(UTC)):
        raise HTTPException(status.HTTP_401_UNAUTHORIZED)
    return key


Caller = Annotated[ApiKeyRow, Depends(authenticate)]


def visible_to(caller: ApiKeyRow) -> ColumnElement[bool]:
    return or_(ModelRow.organization_id.is_(None), ModelRow.organization_id == caller.organization_id)


class ShownModel(Model):
    model_config = ConfigDict(from_attributes=True, validate_by_name=True)

    metadata: dict[str, Any] = Field(validation_alias="details")


def listed(row: ModelRow) -> ListedModel:
    created = int(row.created_at.timestamp())
    permission = Permission(
        id=f"modelperm-{row.id.replace('-', '')}",
        object="model_permission",
        created=created,
        allow_create_engine=False,
        allow_sampling=True,
        allow_logprobs=True,
        allow_search_indices=False,
        allow_view=True,
        allow_fine_tuning=False,
        organization=row.organization_id or "*",
        group=None,
        is_blocking=False,
    )
    return ListedModel(
        id=row.model_name,
        object="model",
        created=created,
        owned_by=row.provider,
        permission=[permission],
        root=row.model_name,
        parent=row.parent_model_id,
        cloakr_metadata=CloakrMetadata(
            encryption_supported=row.encryption_supported,
            pii_redaction_supported=row.pii_redaction_supported,
            cost_per_1k_tokens=row.cost_per_1k_tokens,
            max_tokens=row.max_tokens,
            context_window=row.context_window,
            capabilities=row.capabilities,
            compliance=row.compliance,
        ),
    )


app = FastAPI(lifespan=lifespan)


@app.get("/v1/models")
async def list_models(caller: Caller, session: Session) -> ModelList:
    shown = select(ModelRow).where(ModelRow.enabled, visible_to(caller)).order_by(ModelRow.position)
    return ModelList(object="list", data=[listed(row) for row in await session.scalars(shown)])


# What is unknown is absent from the documented answers, and so it is here.
@app.get("/v1/models/{model_id}", response_model=ShownModel, response_model_exclude_none=True)
async def get_model(model_id: UUID, caller: Caller, session: Session) -> ModelRow:
    row = await session.scalar(select(ModelRow).where(ModelRow.id == str(model_id), visible_to(caller)))
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    return row


run(app, given.port)
