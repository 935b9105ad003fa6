"""The paths of the REST API: which dialect, which resource. Envoy's configuration is made from the same table."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import unquote

from modelservice.errors import NOT_FOUND, Refusal


class Resource(Enum):
    """What a path names, as the method of RestService that serves it."""

    LIST = "ListModels"
    MODEL = "GetModel"


class Path(NamedTuple):
    """A row of the table.

    Attributes:
        dialect: The dialect's name.
        collection: Path of the list. A model's path has its id as one more segment, or several.
    """

    dialect: str
    collection: str


DOCUMENTS: Final = "documents"
OPENAI: Final = "openai"

PATHS: Final = (Path(DOCUMENTS, "/v1/models"), Path(OPENAI, "/openai/v1/models"))


class Address(NamedTuple):
    """The path of a request, read.

    Attributes:
        dialect: The dialect's name.
        resource: What the path names.
        model_id: The decoded id of the model; empty for the list. Bytes that are not UTF-8 are U+FFFD, which no id has.
        query: Everything behind the first question mark, not decoded.
    """

    dialect: str
    resource: Resource
    model_id: str
    query: str


def read_address(original_path: str) -> Address:
    """Reads a path with its query, as the client sent it. Envoy has normalized dots and slashes.

    Raises:
        Refusal: `NOT_FOUND`: the path is in no dialect.
    """
    path, _, query = original_path.partition("?")
    path = path.rstrip("/")
    for dialect, collection in PATHS:
        if path == collection:
            return Address(dialect, Resource.LIST, "", query)
        if path.startswith(collection + "/"):
            return Address(dialect, Resource.MODEL, unquote(path[len(collection) + 1 :]), query)
    raise Refusal(NOT_FOUND)


def dialect_of(original_path: str) -> str:
    """Returns the name of the dialect that shapes an error: the documents', if the path is in no dialect."""
    return next((dialect for dialect, collection in PATHS if original_path.startswith(collection)), DOCUMENTS)
