"""Errors that the client raises."""

from __future__ import annotations


class CloakrError(Exception):
    """Base of all errors of this package.

    Attributes:
        message: What is wrong, in the service's words if it answered.
        status: HTTP status, if the service answered.
        code: Documented code of the error, for programs to branch on.
        type: Documented family of the error.
        request_id: The response's `x-request-id`, which the service logs too.
        retry_after: Seconds to wait before the next attempt, if the service named any.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        kind: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.type = kind
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        facts = [str(fact) for fact in (self.status, self.code) if fact is not None]
        facts += [f"request id {self.request_id}"] if self.request_id else []
        return f"{self.message} ({', '.join(facts)})" if facts else self.message


class ConfigurationError(CloakrError, ValueError):
    """The client cannot be used as configured: no key, no base URL, or an invalid one."""


class InvalidRequestError(CloakrError):
    """The service refused the request; the message names the parameter."""


class AuthenticationError(CloakrError):
    """The credential is missing, unknown, revoked or expired (401)."""


class PermissionDeniedError(CloakrError):
    """The credential lacks the scope that the call needs (403)."""


class NotFoundError(CloakrError):
    """The model does not exist, or is not visible to the caller (404)."""


class RateLimitError(CloakrError):
    """Too many requests, after all retries (429)."""


class ServerError(CloakrError):
    """The service failed (5xx)."""


class ServiceUnavailableError(ServerError):
    """No server is ready, after all retries (503)."""


class InvalidResponseError(CloakrError):
    """The response is not one that the API documents."""


class CloakrTimeoutError(CloakrError, TimeoutError):
    """The service or the network took too long."""


class CloakrConnectionError(CloakrError, ConnectionError):
    """The service could not be reached, or the connection broke, after all retries."""
