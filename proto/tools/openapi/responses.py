"""Error responses, from the table of errors and the comments in proto/."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from modelservice import errors
from modelservice.errors import REFUSALS, RefusalKind
from openapi.source import Source

_ONLY_GRPC: Final = (errors.UNKNOWN_SERVICE,)
# The status of a method that a path does not have. No operation has it, so the prose of the document describes it.
ANOTHER_METHOD: Final = 405
# Envoy's status for headers that are too large.
_MORE_STATUSES: Final[Mapping[RefusalKind, tuple[int, ...]]] = {errors.REQUEST_TOO_LARGE: (431,)}
# Example messages for errors whose message depends on the request.
_MESSAGES: Final[Mapping[RefusalKind, str]] = {errors.MODEL_NOT_FOUND: "The model 'nobody/nothing' does not exist"}
# Additional header per status: name, description, schema.
_HEADERS: Final[Mapping[int, tuple[str, str, dict[str, Any]]]] = {
    401: ("WWW-Authenticate", "The authentication scheme.", {"const": "Bearer"}),
    429: ("Retry-After", "Number of seconds to wait before a retry.", {"type": "integer", "minimum": 0}),
}


def rows() -> dict[int, list[RefusalKind]]:
    """Returns the errors that REST clients can get, by HTTP status."""
    found: dict[int, list[RefusalKind]] = {}
    for kind in REFUSALS:
        for status in (kind.http_status, *_MORE_STATUSES.get(kind, ())):
            if kind not in _ONLY_GRPC:
                found.setdefault(status, []).append(kind)
    return dict(sorted(found.items()))


def error_responses(source: Source) -> dict[str, Any]:
    """Returns the response of each status, by component name."""
    return {
        _name(status): _response(source, status, kinds) for status, kinds in rows().items() if status != ANOTHER_METHOD
    }


def references(statuses: Collection[int]) -> dict[str, Any]:
    """Returns references to the responses of these statuses."""
    return {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in sorted(statuses)}


def _name(status: int) -> str:
    return f"Error{status}"


def _response(source: Source, status: int, kinds: Collection[RefusalKind]) -> dict[str, Any]:
    headers: dict[str, Any] = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}
    if status in _HEADERS:
        name, text, schema = _HEADERS[status]
        headers[name] = {"description": text, "schema": schema}
    return {
        "description": "\n".join(f"- `{kind.code}`: {meaning(source, kind)}" for kind in kinds),
        "headers": headers,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": {kind.code: {"value": _body(kind)} for kind in kinds},
            }
        },
    }


def meaning(source: Source, kind: RefusalKind) -> str:
    """Returns when an error occurs, from the comment of its ErrorReason."""
    return source.comment(".modelservice.v1.ErrorReason", kind.code.upper()).text


def _body(kind: RefusalKind) -> dict[str, Any]:
    return {"error": {"type": kind.type, "message": _MESSAGES.get(kind, kind.message), "code": kind.code}}
