"""The query parameters of a REST request.

Envoy's transcoder binds query parameters to the request's fields, and lets `?model_id=y` override the path. The query
is therefore checked here, in the address as the client sent it: unknown names and repeated values are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from google.protobuf.message import Message

from modelservice.errors import INVALID_REQUEST, Refusal

# Clients of OpenAI-shaped APIs send these. They have no meaning here.
IGNORED: Final = ("client_version", "limit", "user")


class Parameter(NamedTuple):
    """What values a query parameter takes."""

    is_repeatable: bool
    is_flag: bool
    is_fraction: bool


# By name.
Parameters = Mapping[str, Parameter]


def parameters_of(request: type[Message], *, in_path: str | None = None) -> Parameters:
    """Returns a method's query parameters: the fields of its request, except the one that is in the path."""
    return {
        field.name: Parameter(field.is_repeated, field.type == field.TYPE_BOOL, field.type == field.TYPE_DOUBLE)
        for field in request.DESCRIPTOR.fields
        if field.name != in_path
    }


def check_parameters(original_path: str, parameters: Parameters) -> None:
    """Checks the query of a path.

    Raises:
        Refusal: `INVALID_REQUEST`: a parameter is unknown, repeated or malformed. The message names it.
    """
    _, _, query = original_path.partition("?")
    seen = set()
    for pair in query.split("&") if query else ():
        text, equals, value = pair.partition("=")
        name = unquote_plus(text, errors="replace")
        if name in IGNORED or not pair:
            continue
        if name not in parameters:
            accepted = ", ".join(sorted([*IGNORED, *parameters]))
            raise Refusal(INVALID_REQUEST, f"Unknown query parameter: {name[:100]}. Accepted: {accepted}")
        if not equals:
            # The transcoder would silently ignore it, and a filter with it.
            raise Refusal(INVALID_REQUEST, f"{name}: must have a value")
        if name in seen and not parameters[name].is_repeatable:
            raise Refusal(INVALID_REQUEST, f"{name}: must be given once")
        if parameters[name].is_flag and unquote_plus(value) not in ("true", "false"):
            # The transcoder also accepts 1, t, yes and more, which are not documented.
            raise Refusal(INVALID_REQUEST, f"{name}: must be true or false")
        if parameters[name].is_fraction and "x" in unquote_plus(value).lower():
            # The transcoder also accepts 0x1p3, as 8.
            raise Refusal(INVALID_REQUEST, f"{name}: must be a decimal number")
        seen.add(name)
