"""Client for the Cloakr models API."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloakrai.client import AsyncCloakrClient, CloakrClient
    from cloakrai.exceptions import (
        AuthenticationError,
        CloakrConnectionError,
        CloakrError,
        CloakrTimeoutError,
        ConfigurationError,
        InvalidRequestError,
        InvalidResponseError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
        ServiceUnavailableError,
    )
    from cloakrai.exchange import ModelFilters, __version__
    from cloakrai.results import CloakrMetadata, ListedModel, Model, ModelList, ModelPermission

__all__ = [
    "AsyncCloakrClient",
    "AuthenticationError",
    "CloakrClient",
    "CloakrConnectionError",
    "CloakrError",
    "CloakrMetadata",
    "CloakrTimeoutError",
    "ConfigurationError",
    "InvalidRequestError",
    "InvalidResponseError",
    "ListedModel",
    "Model",
    "ModelFilters",
    "ModelList",
    "ModelPermission",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "ServiceUnavailableError",
    "__version__",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Loads the client when it is first used: `cloakrai.v1` alone needs no HTTP library."""
        if name in __all__:
            for module in ("exceptions", "results", "exchange", "client"):
                members = vars(import_module(f"cloakrai.{module}"))
                if name in members:
                    return globals().setdefault(name, members[name])
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
