"""Every error of the service.

A `Refusal` answers a caller of the API: its kind is a row of the documented errors (`REFUSALS`), which gRPC, Envoy, the
manual and the tests share. A `ModelserviceError` is for the operator: one line on standard error or in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RefusalKind:
    """One documented error.

    Attributes:
        code: Identifies the error for programs. In upper case it is the reason of `google.rpc.ErrorInfo`.
        type: The error's family in the list document.
        message: The documented sentence, or its beginning if the `Refusal` adds details.
        http_status: The status of the REST response.
        grpc_status: The number of the gRPC status code; None if only REST has the error.
    """

    code: str
    type: str
    message: str
    http_status: int
    grpc_status: int | None = None


INVALID_API_KEY = RefusalKind("invalid_api_key", "authentication_error", "Invalid API key", 401, 16)
INVALID_TOKEN = RefusalKind("invalid_token", "authentication_error", "Invalid or expired token", 401, 16)
ACCESS_DENIED = RefusalKind("access_denied", "permission_error", "Access to models endpoint denied", 403, 7)
MODEL_NOT_FOUND = RefusalKind("model_not_found", "not_found_error", "No such model", 404, 5)
INVALID_REQUEST = RefusalKind("invalid_request", "invalid_request_error", "Malformed request", 400, 3)
UNKNOWN_SERVICE = RefusalKind("unknown_service", "not_found_error", "Unknown service", 404, 5)
NOT_FOUND = RefusalKind("not_found", "not_found_error", "Unknown path", 404, 12)
METHOD_NOT_ALLOWED = RefusalKind("method_not_allowed", "invalid_request_error", "Method not allowed", 405)
REQUEST_TOO_LARGE = RefusalKind("request_too_large", "invalid_request_error", "Request too large", 413, 8)
RATE_LIMITED = RefusalKind("rate_limited", "rate_limit_error", "Too many requests", 429, 8)
INTERNAL_ERROR = RefusalKind("internal_error", "api_error", "Internal error", 500, 13)
UNAVAILABLE = RefusalKind("unavailable", "api_error", "Service unavailable", 503, 14)
TIMEOUT = RefusalKind("timeout", "api_error", "Deadline exceeded", 504, 4)

# All of the above, in the order of the manual.
REFUSALS: Final = tuple(kind for kind in list(globals().values()) if isinstance(kind, RefusalKind))


class Refusal(Exception):  # noqa: N818  (an answer, not a defect)
    """The documented answer to a call that is refused.

    Args:
        kind: The documented error.
        message: A more specific sentence. Callers see it, so it contains nothing but what they sent.
        reason: For the log only. It contains nothing that the caller sent.
        parameter: The parameter at fault, if one is.
    """

    def __init__(
        self, kind: RefusalKind, message: str | None = None, *, reason: str | None = None, parameter: str | None = None
    ) -> None:
        self.kind = kind
        self.message = message or kind.message
        self.reason = reason
        self.parameter = parameter
        super().__init__(self.message)

    @property
    def document(self) -> dict[str, dict[str, str]]:
        """The error as JSON values, in the documents' shape (list document, "Error Responses")."""
        return {"error": {"type": self.kind.type, "message": self.message, "code": self.kind.code}}


class NotReadyError(Exception):
    """An answer needs more work than the thread may do that asks for it."""


class ModelserviceError(Exception):
    """Base of every error for the operator. Its text is one line: what is wrong and what to do about it."""


class InvalidSettingError(ModelserviceError):
    """A setting is unknown, or its value is not allowed. The text names the setting."""


class InvalidValueError(ModelserviceError):
    """A value of a model, an organization or a key is out of bounds. The text names field, value and bound.

    Args:
        text: The line.
        field: The field's name, for a log that must not repeat the value.
    """

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


class NotFoundError(ModelserviceError):
    """A command names an organization, key, client or model that does not exist."""


class ConflictError(ModelserviceError):
    """A write contradicts the current state: a name is taken, a model has children, another process holds the file."""


class ConfirmationError(ModelserviceError):
    """A change is so large that it must be confirmed. Nothing was changed."""


class FileError(ModelserviceError):
    """A file that a command names cannot be read or written, or is of the wrong kind. The text begins with its name."""


class DatabaseUnavailableError(ModelserviceError):
    """The database cannot be reached or read. Nothing was changed. The same call may succeed later."""


class DatabaseMissingError(DatabaseUnavailableError):
    """The SQLite file does not exist.

    Args:
        url: The database's URL.
    """

    def __init__(self, url: str) -> None:
        super().__init__(f"{url} does not exist: run `modelservice init`")


class DatabaseBehindError(ModelserviceError):
    """The database shows an older revision than before: a lagging standby, or a database that lost its last writes."""


class DefectError(ModelserviceError):
    """The program is wrong, so the same call fails again. The cause has the traceback."""


class SchemaMismatchError(ModelserviceError):
    """The database is empty, has another version's schema, or belongs to another program. Nothing was changed."""


class EdgeError(ModelserviceError):
    """Envoy, or a process beside it, cannot be started or has exited."""
