"""Answers as bytes, made once per change and sent many times.

Both faces of an answer come from the same message: its protobuf bytes for gRPC, its JSON form for REST, which is
compressed once, too.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import UInt32Value

from modelservice.catalogue.messages import full_model, listed_model
from modelservice.domain.model import Model
from modelservice.domain.values import EXACT_INTEGER_MAX
from modelservice.v1 import model_service_pb2 as pb

# What Envoy makes HTTP headers of (edge/micro_cache.lua): the type, the entity tag, and the coding of what is
# compressed. As parameters of the type they come with the body; as metadata, sent before it, they cost the server a
# fifth more.
_CONTENT_TYPE: Final = "application/json;etag={}"
_COMPRESSED: Final = ";gzip"
_DATA: Final = bytes([HttpBody.DATA_FIELD_NUMBER << 3 | 2])

# JSON shorter than this is never compressed: it fits into one packet as it is. In bytes.
COMPRESSED_MIN: Final = 1_000
# zlib's own default. Of 5,000 models, level 4 makes a fifth more, and takes an eighth less time; level 9 takes half as
# long again for a twentieth less.
COMPRESSION: Final = 6
# As `zlib` calls gzip (RFC 1952): the largest window, and 16.
GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer.

    Attributes:
        message: The serialized response of the ModelService method.
        http_body: The serialized `google.api.HttpBody` that carries the same response as JSON, with its entity tag.
        http_body_gzip: The same, with the JSON compressed; None where that is not worth it. It has the same tag, which
            is a weak one (RFC 9110, 8.8.3).

    Its length is in bytes.
    """

    message: bytes
    http_body: bytes
    http_body_gzip: bytes | None

    def __len__(self) -> int:
        return len(self.message) + len(self.http_body) + len(self.http_body_gzip or b"")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the catalogue, with its part in every answer.

    Attributes:
        model: The model.
        get: The answer of GetModel.
        element: Its element of the list, serialized as a field of `ListModelsResponse`.
        json_element: The same in JSON.
        digest: The SHA-256 of the element in JSON.
        words: What a search looks at, casefolded: its name, its display name and its description.
    """

    model: Model
    get: Answer
    element: bytes
    json_element: bytes
    digest: bytes
    words: str

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


def make_answer(message: bytes, json_text: bytes, content: bytes, compress: Callable[[], bytes]) -> Answer:
    """Makes an answer of its parts.

    Args:
        message: The serialized response.
        json_text: The same as JSON.
        content: What the entity tag is made from: other bytes for any other JSON, and the same on every server.
        compress: Returns the JSON, compressed with gzip.
    """
    compressed = compress() if len(json_text) >= COMPRESSED_MIN else None
    return Answer(
        message=message,
        http_body=http_body_head(len(json_text), content) + json_text,
        http_body_gzip=http_body_head(len(compressed), content, compressed=True) + compressed if compressed else None,
    )


def http_body_head(length: int, content: bytes, *, compressed: bool = False) -> bytes:
    """Returns the beginning of a serialized `google.api.HttpBody`, which its data ends.

    Args:
        length: The data's, in bytes.
        content: What its entity tag is made from.
        compressed: Whether the data is compressed with gzip.
    """
    content_type = _CONTENT_TYPE.format(hashlib.sha256(content).hexdigest()[:32]) + (_COMPRESSED if compressed else "")
    # A field of bytes is its number and wire type, its length as a varint, and the bytes. No message is copied for it.
    return serialize(HttpBody(content_type=content_type)) + _DATA + serialize(UInt32Value(value=length))[1:]


def serialize(message: Message) -> bytes:
    """Serializes a message.

    Deterministically: every server gives the same bytes, in whatever order its maps were filled.
    """
    return message.SerializeToString(deterministic=True)


def _json(message: Message) -> bytes:
    # With the fields that are false or empty, as the documents show them.
    fields = MessageToDict(message, always_print_fields_with_no_presence=True)
    ordered = _in_wire_order(fields, message.DESCRIPTOR)
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _in_wire_order(value: Any, kind: Any) -> Any:  # noqa: ANN401  (any JSON; protobuf has two classes of descriptors)
    """Orders the keys of a message's JSON by field number, which is the documents' order; those of a map by name.

    `kind` is the message's descriptor, or None inside a map.
    """
    if isinstance(value, list):
        return [_in_wire_order(item, kind) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT_INTEGER_MAX:
        # protobuf keeps every number of a JSON object as a double; 5 went in, and 5 comes out.
        return int(value)
    if not isinstance(value, dict):
        return value
    if kind is None or kind.full_name.startswith("google.protobuf."):
        # A map's own order differs from process to process.
        return {name: _in_wire_order(value[name], None) for name in sorted(value)}
    return {
        field.json_name: _in_wire_order(value[field.json_name], field.message_type)
        for field in sorted(kind.fields, key=lambda field: field.number)
        if field.json_name in value
    }
