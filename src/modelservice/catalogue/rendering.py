"""Answers as bytes, rendered once per change and sent many times.

One message yields both forms: protobuf for gRPC, and JSON for REST, which is also compressed once.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import UInt32Value

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.catalogue.messages import full_model, listed_model
from modelservice.domain.model import Model
from modelservice.domain.values import EXACT_INTEGER_MAX

# Envoy turns the type, the entity tag and the encoding into HTTP headers (edge/micro_cache.lua). As metadata instead of
# parameters of the type, they cost the server a fifth more.
_CONTENT_TYPE: Final = "application/json;etag={}"
_COMPRESSED: Final = ";gzip"
_DATA: Final = bytes([HttpBody.DATA_FIELD_NUMBER << 3 | 2])

# In bytes. Shorter JSON fits into one packet uncompressed.
COMPRESSED_MIN: Final = 1_000
# For 5,000 models, level 4 yields 20 % more bytes in 12 % less time; level 9 yields 5 % fewer in 50 % more time.
COMPRESSION: Final = 6
# gzip (RFC 1952) in zlib's terms: 16 plus the largest window.
GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. Its length is in bytes.

    Attributes:
        message: Serialized response of the ModelService method.
        http_body: Serialized `google.api.HttpBody` with the response as JSON and its entity tag.
        http_body_gzip: The same with compressed JSON and the same weak tag (RFC 9110, 8.8.3); None if it is short.
    """

    message: bytes
    http_body: bytes
    http_body_gzip: bytes | None

    def __len__(self) -> int:
        return len(self.message) + len(self.http_body) + len(self.http_body_gzip or b"")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model with its part of every answer.

    Attributes:
        model: The model.
        get: The answer of GetModel.
        element: Its list element, serialized as a field of `ListModelsResponse`.
        json_element: The same in JSON.
        digest: SHA-256 of `json_element`.
        words: Name, display name and description, casefolded, for searches.
        shapes: Its list element in other dialects, by their names, made on first use. Too small to count.
    """

    model: Model
    get: Answer
    element: bytes
    json_element: bytes
    digest: bytes
    words: str
    shapes: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.get) + len(self.element) + len(self.json_element) + len(self.words)


def render_entry(model: Model) -> Entry:
    """Renders a model."""
    listed, full = listed_model(model), full_model(model)
    element, text = _json(listed), _json(full)
    return Entry(
        model=model,
        get=make_answer(serialize(full), text, text, lambda: zlib.compress(text, COMPRESSION, GZIP)),
        element=serialize(pb.ListModelsResponse(data=[listed])),
        json_element=element,
        digest=hashlib.sha256(element).digest(),
        words="\n".join((model.name, model.display_name, model.description or "")).casefold(),
    )


def make_answer(message: bytes, json_text: bytes, content: bytes, compress: Callable[[], bytes] | None) -> Answer:
    """Assembles an answer.

    Args:
        message: The serialized response.
        json_text: The same as JSON.
        content: Bytes to derive the entity tag from: a function of the JSON, equal on every server.
        compress: Returns the JSON, compressed with gzip; None if it is never compressed.
    """
    compressed = compress() if compress and len(json_text) >= COMPRESSED_MIN else None
    return Answer(
        message=message,
        http_body=http_body_head(len(json_text), content) + json_text,
        http_body_gzip=http_body_head(len(compressed), content, compressed=True) + compressed if compressed else None,
    )


def http_body_head(length: int, content: bytes, *, compressed: bool = False) -> bytes:
    """Returns a serialized `google.api.HttpBody` up to its data.

    Args:
        length: Length of the data in bytes.
        content: Bytes to derive the entity tag from.
        compressed: Whether the data is compressed with gzip.
    """
    content_type = _CONTENT_TYPE.format(hashlib.sha256(content).hexdigest()[:32]) + (_COMPRESSED if compressed else "")
    # Number and wire type of the field, then the length as a varint: appending the data copies no message.
    return serialize(HttpBody(content_type=content_type)) + _DATA + serialize(UInt32Value(value=length))[1:]


def serialize(message: Message) -> bytes:
    """Serializes a message to the same bytes on every server, however its maps were filled."""
    return message.SerializeToString(deterministic=True)


def to_json(value: object) -> bytes:
    """Renders a value as JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _json(message: Message) -> bytes:
    # The documents show false and empty fields.
    fields = MessageToDict(message, always_print_fields_with_no_presence=True)
    return to_json(_in_wire_order(fields, message.DESCRIPTOR))


def _in_wire_order(value: Any, kind: Any) -> Any:  # noqa: ANN401  (any JSON; protobuf has two classes of descriptors)
    """Orders the keys of a message's JSON by field number, as in the documents, and those of a map by name.

    `kind` is the descriptor of the message, or None inside a map.
    """
    if isinstance(value, list):
        return [_in_wire_order(item, kind) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT_INTEGER_MAX:
        # protobuf stores numbers of a JSON object as doubles; 5 must not become 5.0.
        return int(value)
    if not isinstance(value, dict):
        return value
    if kind is None or kind.full_name.startswith("google.protobuf."):
        # The order of a map differs between processes.
        return {name: _in_wire_order(value[name], None) for name in sorted(value)}
    return {
        field.json_name: _in_wire_order(value[field.json_name], field.message_type)
        for field in sorted(kind.fields, key=lambda field: field.number)
        if field.json_name in value
    }
