"""The answers that are errors: from the table of documented errors, with the comments of proto/."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from modelservice import errors
from modelservice.errors import REFUSALS, RefusalKind
from openapi.source import Source

# gRPC's alone.
_NOT_OVER_HTTP: Final = (errors.UNKNOWN_SERVICE,)
# Envoy answers headers that are too large with another status than a body.
_MORE_STATUSES: Final[Mapping[RefusalKind, tuple[int, ...]]] = {errors.REQUEST_TOO_LARGE: (431,)}
# Sentences that say more than the table's.
_MESSAGES: Final[Mapping[RefusalKind, str]] = {errors.MODEL_NOT_FOUND: "The model 'nobody/nothing' does not exist"}
# Besides `x-request-id`: name, meaning, schema.
_HEADERS: Final[Mapping[int, tuple[str, str, dict[str, Any]]]] = {
    401: ("WWW-Authenticate", "How to authenticate.", {"const": "Bearer"}),
    405: ("Allow", "The method that the path has.", {"const": "GET"}),
    429: ("Retry-After", "After how many seconds to try again.", {"type": "integer", "minimum": 0}),
}


def rows() -> dict[int, list[RefusalKind]]:
    """Returns the rows of the table that REST answers with, by HTTP status."""
    found: dict[int, list[RefusalKind]] = {}
    for kind in REFUSALS:
        for status in (kind.http_status, *_MORE_STATUSES.get(kind, ())):
            if kind not in _NOT_OVER_HTTP:
                found.setdefault(status, []).append(kind)
    return dict(sorted(found.items()))


def error_responses(source: Source) -> dict[str, Any]:
    """Returns a response for each status, by its name."""
    return {_name(status): _response(source, status, kinds) for status, kinds in rows().items()}


def references(statuses: Collection[int]) -> dict[str, Any]:
    """Returns an operation's responses of these statuses."""
    return {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in sorted(statuses)}


def _name(status: int) -> str:
    return f"Error{status}"


def _response(source: Source, status: int, kinds: Collection[RefusalKind]) -> dict[str, Any]:
    headers: dict[str, Any] = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}
    if status in _HEADERS:
        name, meaning, schema = _HEADERS[status]
        headers[name] = {"description": meaning, "schema": schema}
    return {
        "description": "\n".join(f"- `{kind.code}`: {_meaning(source, kind)}" for kind in kinds),
        "headers": headers,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": {kind.code: {"value": _body(kind)} for kind in kinds},
            }
        },
    }


def _meaning(source: Source, kind: RefusalKind) -> str:
    return source.comment(".modelservice.v1.ErrorReason", kind.code.upper()).text


def _body(kind: RefusalKind) -> dict[str, Any]:
    return {"error": {"type": kind.type, "message": _MESSAGES.get(kind, kind.message), "code": kind.code}}
