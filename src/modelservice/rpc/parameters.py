"""The query parameters of a REST request.

Envoy's transcoder binds query parameters to the request's fields, and lets `?model_id=y` win over the path. So what the
query holds is read here, from the address as the client sent it. Every name that the path does not take is refused, and
so is one that stands there twice where one value counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from google.protobuf.message import Message

from modelservice.errors import INVALID_REQUEST, Refusal

# Real clients of OpenAI-shaped APIs send these. They mean nothing here.
IGNORED: Final = ("client_version", "limit", "user")


class Parameter(NamedTuple):
    """What a query parameter takes: several values or one, and whether these are true or false, or fractions."""

    is_repeatable: bool
    is_flag: bool
    is_fraction: bool


# By name.
Parameters = Mapping[str, Parameter]


def parameters_of(request: type[Message], *, in_path: str | None = None) -> Parameters:
    """Returns the query parameters of a method.

    Args:
        request: The method's request, whose fields they are.
        in_path: The field that the path gives.
    """
    return {
        field.name: Parameter(field.is_repeated, field.type == field.TYPE_BOOL, field.type == field.TYPE_DOUBLE)
        for field in request.DESCRIPTOR.fields
        if field.name != in_path
    }


def check_parameters(original_path: str, parameters: Parameters) -> None:
    """Lets a request pass whose query has only parameters that are accepted, as often as they are.

    Args:
        original_path: The address that the client sent, with its query.
        parameters: What the path takes.

    Raises:
        Refusal: `INVALID_REQUEST`: there is another one, or one too often. The message names it.
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
            # Which the transcoder passes over: a filter would be left out, and nobody told.
            raise Refusal(INVALID_REQUEST, f"{name}: must have a value")
        if name in seen and not parameters[name].is_repeatable:
            raise Refusal(INVALID_REQUEST, f"{name}: must be given once")
        if parameters[name].is_flag and unquote_plus(value) not in ("true", "false"):
            # The transcoder takes 1, t, yes and more, which no description of the API has.
            raise Refusal(INVALID_REQUEST, f"{name}: must be true or false")
        if parameters[name].is_fraction and "x" in unquote_plus(value).lower():
            # Likewise: 0x1p3 would be 8.
            raise Refusal(INVALID_REQUEST, f"{name}: must be a decimal number")
        seen.add(name)
