"""uvicorn at its fastest: uvloop, httptools, one process, no access log."""

from __future__ import annotations

from typing import Any

import uvicorn


def run(app: Any, port: int) -> None:
    """Serves an ASGI application until told to end."""
    uvicorn.run(
        app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )
