"""Reads the query of a REST request, once. Every error names the parameter and what it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

from google.protobuf.descriptor import FieldDescriptor

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.catalogue.query.list_query import invalid
from modelservice.errors import INVALID_REQUEST, Refusal

# Clients of OpenAI-shaped APIs add these. They have no meaning here.
IGNORED: Final = ("_", "after", "api-version", "client_version", "limit", "order", "user")

_FIELDS: Final = pb.ListModelsRequest.DESCRIPTOR.fields_by_name
# Every parameter of the list.
LIST_PARAMETERS: Final = frozenset(_FIELDS)

# In characters: longer than any name. Errors repeat it.
_NAME_MAX: Final = 100

_WHOLE: Final = re.compile(r"[0-9]+")
# No two of its parts can match the same digits, so that it runs in linear time.
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
# In characters.
_NUMBER_MAX: Final = 64
# Parameters of a query, ignored ones included: three times as many as a list can use.
_PARAMETERS_MAX: Final = 200
_FLAGS: Final = {"true": True, "false": False}


def _number(shape: re.Pattern[str], read: Callable[[str], float]) -> Callable[[str], float]:
    def convert(text: str) -> float:
        if len(text) > _NUMBER_MAX or not shape.fullmatch(text):
            raise ValueError
        return read(text)

    return convert


# By the type of the field. They raise a `ValueError` or a `KeyError`.
_CONVERTERS: Final[Mapping[int, Callable[[str], object]]] = {
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_BOOL: _FLAGS.__getitem__,
    FieldDescriptor.TYPE_INT32: _number(_WHOLE, int),
    FieldDescriptor.TYPE_UINT32: _number(_WHOLE, int),
    FieldDescriptor.TYPE_DOUBLE: _number(_DECIMAL, float),
}


def read_list_request(query: str, accepted: Collection[str] = LIST_PARAMETERS) -> pb.ListModelsRequest:
    """Reads the query of a list.

    Args:
        query: The query.
        accepted: Names of the parameters that the dialect has.

    Raises:
        Refusal: `INVALID_REQUEST`: a parameter is unknown, repeated or malformed.
    """
    request = pb.ListModelsRequest()
    for name, text in _pairs(query, accepted):
        field = _FIELDS[name]
        convert = _CONVERTERS[field.type]
        try:
            value: Any = convert(text)
            if field.is_repeated:
                getattr(request, name).append(value)
            else:
                setattr(request, name, value)
        except (ValueError, KeyError):
            raise invalid(name) from None
    return request


def refuse_parameters(query: str) -> None:
    """Reads the query of a resource that has no parameters.

    Raises:
        Refusal: `INVALID_REQUEST`: it has one that is not ignored.
    """
    for _ in _pairs(query, ()):
        pass


def _pairs(query: str, accepted: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yields the decoded names and values of a query."""
    seen = set()
    if query.count("&") >= _PARAMETERS_MAX:
        raise Refusal(INVALID_REQUEST, f"The query must have at most {_PARAMETERS_MAX} parameters")
    for pair in filter(None, query.split("&")):
        text, equals, encoded = pair.partition("=")
        name = unquote_plus(text, errors="replace")[:_NAME_MAX]
        if name in IGNORED:
            continue
        if name not in accepted:
            known = ", ".join(sorted([*IGNORED, *accepted]))
            raise _refusal(name, f"Unknown query parameter: {name}. Accepted: {known}")
        if not equals:
            raise _refusal(name, f"{name}: must have a value")
        if name in seen and not _FIELDS[name].is_repeated:
            raise _refusal(name, f"{name}: must be given once")
        seen.add(name)
        try:
            yield name, unquote_plus(encoded, errors="strict")
        except UnicodeDecodeError:
            raise _refusal(name, f"{name}: must be UTF-8") from None


def _refusal(name: str, message: str) -> Refusal:
    return Refusal(INVALID_REQUEST, message, parameter=name)
