"""The same, but for one thing: the models are kept, and only serialized for each request."""

from __future__ import annotations

from fastapi import Depends, FastAPI, HTTPException

from tests.benchmark.peers.arguments import arguments
from tests.benchmark.peers.bearer import bearer_of
from tests.benchmark.peers.pydantic_models import Model, ModelList
from tests.benchmark.peers.uvicorn_server import run

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
