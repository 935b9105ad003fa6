"""A server on loopback that answers what a test tells it to, and records the requests."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """One response. Without a status the server closes the connection; with `stall` it answers when it stops."""

    status: int | None = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    stall: bool = False


@dataclass(frozen=True)
class Request:
    """A request, and when it came."""

    target: str
    headers: dict[str, str]
    at: float


def listed(*ids: str) -> dict[str, Any]:
    """Returns the body of a list."""
    return {"object": "list", "data": [{"id": one, "created": 1, "owned_by": "acme"} for one in ids]}


def refused(code: str, message: str = "Something is wrong") -> dict[str, Any]:
    """Returns the body of an error."""
    return {"error": {"type": "api_error", "message": message, "code": code}}


class ScriptedServer:
    """Answers the replies in turn, and repeats the last one."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.requests: list[Request] = []
        self._replies = list(replies)
        self._stopped = threading.Event()
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                script._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append(Request(handler.path, headers, time.monotonic()))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if reply.stall:
            self._stopped.wait()
        if reply.status is None or reply.stall:
            handler.close_connection = True
            return
        tag = reply.headers.get("etag")
        status = 304 if tag and headers.get("if-none-match") == tag else reply.status
        body = (
            b"" if status == 304 else reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        )
        handler.send_response(status)
        for name, value in {**reply.headers, "content-length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


# Starts a server that gives these replies: the fixture `scripted`.
Scripted = Callable[..., ScriptedServer]

KEY = "msk_secret"
MODEL = {
    "id": "550e8400-e29b-41d4-a716-446655440000",
    "displayName": "One",
    "modelName": "one",
    "contextWindow": 1,
    "supportsStreaming": True,
    "enabled": True,
    "isSystemModel": True,
    "createdAt": "2025-09-08T06:33:19Z",
    "updatedAt": "2025-09-08T06:33:19Z",
}
ONE = Reply(200, listed("one"))
BUSY = Reply(429, refused("rate_limited"))
DOWN = Reply(503, refused("unavailable"))
CLOSED = Reply(None)
