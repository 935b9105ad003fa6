"""FastAPI that returns bytes which are ready."""

from __future__ import annotations

from fastapi import Depends, FastAPI, HTTPException, Response

from tests.benchmark.peers.arguments import arguments
from tests.benchmark.peers.bearer import bearer_of
from tests.benchmark.peers.uvicorn_server import run

given = arguments()
listed = given.read("list.json")
models = {given.model_id: given.read("get.json")}
app = FastAPI(dependencies=[Depends(bearer_of(given.key))])


@app.get("/v1/models", response_class=Response)
async def list_models() -> Response:
    return Response(listed, media_type="application/json")


@app.get("/v1/models/{model_id}", response_class=Response)
async def get_model(model_id: str) -> Response:
    if model_id not in models:
        raise HTTPException(404)
    return Response(models[model_id], media_type="application/json")


run(app, given.port)
