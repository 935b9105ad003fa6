"""The bearer check of the FastAPI peers, as a dependency."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, HTTPException, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer


def bearer_of(key: str) -> Callable[..., Awaitable[None]]:
    """Returns a dependency that lets this key pass."""
    right = key.encode()

    async def check(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> None:
        if not secrets.compare_digest(given.credentials.encode(), right):
            raise HTTPException(status.HTTP_401_UNAUTHORIZED)

    return check
