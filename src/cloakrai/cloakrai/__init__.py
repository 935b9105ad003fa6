"""Client for the Cloakr models API."""

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
