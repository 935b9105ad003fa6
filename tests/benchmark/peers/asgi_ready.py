"""An ASGI application without a framework, which returns bytes that are ready."""

from __future__ import annotations

import secrets
from typing import Any

from tests.benchmark.peers.arguments import arguments
from tests.benchmark.peers.uvicorn_server import run

given = arguments()
AUTHORIZATION = f"Bearer {given.key}".encode()
BODIES = {"/v1/models": given.read("list.json"), f"/v1/models/{given.model_id}": given.read("get.json")}


async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    body = BODIES.get(scope["path"])
    if not secrets.compare_digest(authorization, AUTHORIZATION):
        status, body = 401, b"{}"
    elif body is None:
        status, body = 404, b"{}"
    else:
        status = 200
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


run(app, given.port)
