"""Assembles the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

from modelservice.dialects.query_string import IGNORED
from openapi.responses import ANOTHER_METHOD, error_responses, references, rows
from openapi.schemas import described, field_schema, message_schemas
from openapi.source import Method, Source

_SERVICE: Final = ".modelservice.v1.ModelService"
_ERROR: Final = ".modelservice.rest.v1.ErrorBody"
# Summaries, and example responses: what the service returns with the documented catalogue.
_SUMMARIES: Final = {"ListModels": "List models", "GetModel": "Get a model"}
_EXAMPLES: Final = {"ListModels": "list_models.json", "GetModel": "get_model_gpt-4o.json"}
# Tags of the operations that a server answers, and of those that Envoy answers.
_MODELS: Final = "models"
_THE_SERVICE: Final = "service"
_TAGS: Final = {_MODELS: "The catalogue of models.", _THE_SERVICE: "The service itself. Needs no authentication."}

_DESCRIPTION: Final = f"""\
A catalogue of AI models: which models exist, and what each costs, can do and complies with.

**Authentication.** Send `Authorization: Bearer …` with an API key, or with a JSON Web Token of the configured identity
provider. Callers see the system models and those of their organization.

**Errors** are `{{"error": {{"type": …, "message": …, "code": …}}}}`. Use `code` in programs; new codes may be added.
Besides the errors listed for each path, any method other than GET and HEAD returns 405 (`method_not_allowed`), and
unknown paths return 404 (`not_found`).

**HEAD** returns the headers of GET without the body, on every path.

**Query parameters** of `/v1` that are not listed are rejected with 400, except those that some clients of OpenAI-shaped
APIs add: {", ".join(f"`{name}`" for name in IGNORED)}. These are ignored.

**Objects** may get new members in later versions. Unknown values are absent.
"""
_CREDENTIAL: Final = "An API key, or a JSON Web Token of the configured identity provider."
_SLASHES: Final = "In the path, slashes may be raw or encoded as `%2F`."

# Headers of every successful response: description, schema.
_HEADERS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "x-request-id": (
        "The request's own `x-request-id`, or a new one. The log contains the same id.",
        {"type": "string"},
    ),
    "ETag": (
        "Identifies the content of the response, in any encoding.",
        {"type": "string", "pattern": '^W/"[0-9a-f]{32}"$'},
    ),
    "Cache-Control": ("How long the response may be reused.", {"type": "string"}),
    "Vary": ("Request headers that the response depends on.", {"type": "string"}),
}
_IF_NONE_MATCH: Final = "`ETag` values of stored responses. The response is 304 if one of them is current."

_ANOTHER_PATH: Final = 404
# Statuses that Envoy never returns for its own paths.
_SERVERS: Final = frozenset({401, 403, _ANOTHER_PATH, ANOTHER_METHOD, 500})
# Health checks read no body and have no rate limit.
_NOT_OF_PROBES: Final = _SERVERS | {413, 429, 504}


class _EnvoysOwn(NamedTuple):
    """A path that Envoy answers, without authentication.

    Attributes:
        never: Error statuses that cannot occur.
    """

    operation: str
    summary: str
    description: str
    success: dict[str, Any]
    never: frozenset[int]


_OWN: Final[Mapping[str, _EnvoysOwn]] = {
    "/healthz": _EnvoysOwn(
        "GetHealth", "Whether Envoy is up", "Asks no server.", {"description": "Envoy is up."}, _NOT_OF_PROBES
    ),
    "/readyz": _EnvoysOwn(
        "GetReadiness",
        "Whether a server is ready",
        "Returns 503 while no server is ready.",
        {"description": "At least one server is ready."},
        _NOT_OF_PROBES,
    ),
    "/openapi.json": _EnvoysOwn(
        "GetOpenAPI",
        "This document",
        "Describes the REST API.",
        {
            "description": "The document.",
            "headers": {"Cache-Control": {"$ref": "#/components/headers/Cache-Control"}},
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        _SERVERS,
    ),
}


def document(source: Source, examples: Path) -> dict[str, Any]:
    """Returns the document. The folder `examples` has an example response for each method."""
    methods = source.methods(_SERVICE)
    return {
        "openapi": "3.1.0",
        "info": _info(),
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {method.path: {"get": _operation(source, method, examples)} for method in methods}
        | {path: {"get": _own(own)} for path, own in _OWN.items()},
        "components": {
            "schemas": _schemas(source, methods),
            "responses": error_responses(source),
            "parameters": {
                "If-None-Match": {
                    "name": "If-None-Match",
                    "in": "header",
                    "description": _IF_NONE_MATCH,
                    "schema": {"type": "string"},
                }
            },
            "headers": {name: described({"schema": schema}, text) for name, (text, schema) in _HEADERS.items()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": _CREDENTIAL}},
        },
    }


def _info() -> dict[str, Any]:
    package = metadata("modelservice")
    licence = package["License-Expression"]
    return {
        "title": package["Name"],
        "version": package["Version"],
        "description": _DESCRIPTION,
        # Everybody runs a service of their own.
        "contact": {"name": "The operator of this service"},
        "license": {"name": licence, "identifier": licence},
    }


def _operation(source: Source, method: Method, examples: Path) -> dict[str, Any]:
    response = method.response.rpartition(".")[2]
    never = {ANOTHER_METHOD} if method.path_fields else {ANOTHER_METHOD, _ANOTHER_PATH}
    return {
        "operationId": method.name,
        "summary": _SUMMARIES[method.name],
        "tags": [_MODELS],
        "description": method.comment.text,
        "parameters": [*_parameters(source, method), {"$ref": "#/components/parameters/If-None-Match"}],
        "responses": {
            "200": {
                "description": source.comment(method.response).text,
                "headers": _headers(*_HEADERS),
                "content": {
                    "application/json": {
                        "schema": {"$ref": f"#/components/schemas/{response}"},
                        "example": json.loads((examples / _EXAMPLES[method.name]).read_text(encoding="utf-8")),
                    }
                },
            },
            "304": {"description": "The caller's stored response is current.", "headers": _headers(*_HEADERS)},
            **references(rows().keys() - never),
        },
    }


def _own(own: _EnvoysOwn) -> dict[str, Any]:
    headers = _headers("x-request-id") | own.success.get("headers", {})
    return {
        "operationId": own.operation,
        "summary": own.summary,
        "description": own.description,
        "tags": [_THE_SERVICE],
        "security": [],
        "responses": {"200": own.success | {"headers": headers}, **references(rows().keys() - own.never)},
    }


def _schemas(source: Source, methods: Sequence[Method]) -> dict[str, Any]:
    schemas = message_schemas(source, *(method.response for method in methods), _ERROR)
    body = schemas["ErrorBody"]["properties"]
    kinds = [kind for kinds in rows().values() for kind in kinds]
    body["type"]["examples"] = list(dict.fromkeys(kind.type for kind in kinds))
    body["code"]["examples"] = list(dict.fromkeys(kind.code for kind in kinds))
    error = {
        "description": "The body of every error.",
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"$ref": "#/components/schemas/ErrorBody"}},
    }
    return schemas | {"Error": error}


def _parameters(source: Source, method: Method) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for field in source.messages[method.request].field:
        schema = field_schema(source, method.request, field)
        text = source.prose(method.request, field)
        if field.name in method.path_fields:
            place = {"name": field.name, "in": "path", "required": True}
            text = f"{text} {_SLASHES}"
        else:
            place = {"name": field.json_name, "in": "query"}
            if schema["type"] == "array":
                place |= {"style": "form", "explode": True}
        found.append({**place, "description": text, "schema": schema})
    return found


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
