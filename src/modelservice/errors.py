"""What can go wrong, in the service's own words.

Two families. A `Refusal` is an answer to a caller of the API: its kind is a row of the table of documented errors
(`REFUSALS`), which gRPC, Envoy and the tests all take from here. Every other error is for the operator: one line on
standard error or in the log, and never sent to a caller.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RefusalKind:
    """One row of the table of documented errors.

    Attributes:
        code: Names the error for programs; in upper case it is the reason of `google.rpc.ErrorInfo`.
        type: The family of the error, as the list document names families.
        message: The documented sentence, or its first words where a `Refusal` says more.
        http_status: What a REST client sees.
    """

    code: str
    type: str
    message: str
    http_status: int


INVALID_API_KEY = RefusalKind("invalid_api_key", "authentication_error", "Invalid API key", 401)
INVALID_TOKEN = RefusalKind("invalid_token", "authentication_error", "Invalid or expired token", 401)
ACCESS_DENIED = RefusalKind("access_denied", "permission_error", "Access to models endpoint denied", 403)
MODEL_NOT_FOUND = RefusalKind("model_not_found", "not_found_error", "No such model", 404)
INVALID_REQUEST = RefusalKind("invalid_request", "invalid_request_error", "Malformed request", 400)
UNKNOWN_SERVICE = RefusalKind("unknown_service", "not_found_error", "Unknown service", 404)
NOT_FOUND = RefusalKind("not_found", "not_found_error", "Unknown path", 404)
METHOD_NOT_ALLOWED = RefusalKind("method_not_allowed", "invalid_request_error", "Method not allowed", 405)
REQUEST_TOO_LARGE = RefusalKind("request_too_large", "invalid_request_error", "Request too large", 413)
RATE_LIMITED = RefusalKind("rate_limited", "rate_limit_error", "Too many requests", 429)
INTERNAL_ERROR = RefusalKind("internal_error", "api_error", "Internal error", 500)
UNAVAILABLE = RefusalKind("unavailable", "api_error", "Service unavailable", 503)
TIMEOUT = RefusalKind("timeout", "api_error", "Deadline exceeded", 504)

REFUSALS = (
    INVALID_API_KEY,
    INVALID_TOKEN,
    ACCESS_DENIED,
    MODEL_NOT_FOUND,
    INVALID_REQUEST,
    UNKNOWN_SERVICE,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    REQUEST_TOO_LARGE,
    RATE_LIMITED,
    INTERNAL_ERROR,
    UNAVAILABLE,
    TIMEOUT,
)


class Refusal(Exception):  # noqa: N818  (an answer, not a defect)
    """The documented answer to a call that cannot be granted.

    Args:
        kind: The row of the table.
        message: The sentence for this call, when it can say more than the row's. Callers see it: it names nothing
            but what they sent.
        reason: What the log says beside it, and callers are not told. It repeats nothing that they sent.
    """

    def __init__(self, kind: RefusalKind, message: str | None = None, *, reason: str | None = None) -> None:
        super().__init__(message or kind.message)
        self.kind = kind
        self.message = message or kind.message
        self.reason = reason


class ModelserviceError(Exception):
    """The parent of every error that is for the operator. Its text is one line that says what to do about it."""


class InvalidSettingError(ModelserviceError):
    """A setting has a value that cannot be used, or does not exist. The text names it."""


class InvalidValueError(ModelserviceError):
    """A value of a model, an organization or a key is outside its bounds. The text names field, value and bound.

    Args:
        text: The line.
        field: Names the field where the text is not to be repeated, for it may quote the value.
    """

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


class ConflictError(ModelserviceError):
    """The write contradicts what is stored: a name that is taken, an organization that does not exist."""


class DatabaseUnavailableError(ModelserviceError):
    """The database cannot be reached or read now. Nothing was changed; the same call may succeed later."""


class DatabaseMissingError(DatabaseUnavailableError):
    """There is no SQLite file where the URL says.

    Args:
        url: The database's URL.
    """

    def __init__(self, url: str) -> None:
        super().__init__(f"{url} does not exist: run `modelservice init`")


class DatabaseBehindError(ModelserviceError):
    """The database is where it has been before: a standby that lags, or one that lost the last writes."""


class DefectError(ModelserviceError):
    """The program is wrong, not its surroundings: the same call fails again. Its cause says where."""


class SchemaMismatchError(ModelserviceError):
    """The database is not one of this version's: empty, older, newer, or somebody else's. Nothing was touched."""


class EdgeError(ModelserviceError):
    """Envoy, or a process beside it, cannot be started or has ended."""
