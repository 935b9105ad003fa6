"""Answers as bytes, made once per change and sent many times.

Both faces of an answer come from the same message: its protobuf bytes for gRPC, its JSON form for REST. A list is
never built from its models again: the bytes of a repeated field are its elements' bytes one after the other, in
protobuf as in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from modelservice.catalogue.messages import full_model, listed_model
from modelservice.domain.model import Model
from modelservice.domain.values import EXACT_INTEGER_MAX
from modelservice.v1 import model_service_pb2 as pb

_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer.

    Attributes:
        message: The serialized response of the ModelService method.
        http_body: The serialized `google.api.HttpBody` that carries the same response as JSON.

    Its length is in bytes.
    """

    message: bytes
    http_body: bytes

    def __len__(self) -> int:
        return len(self.message) + len(self.http_body)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the catalogue, with its part in every answer.

    Attributes:
        model: The model.
        get: The answer of GetModel.
        element: Its element of the list, serialized as a field of `ListModelsResponse`.
        json_element: The same in JSON.
    """

    model: Model
    get: Answer
    element: bytes
    json_element: bytes

    def __len__(self) -> int:
        return len(self.get) + len(self.element) + len(self.json_element)


def render_entry(model: Model) -> Entry:
    """Renders a model."""
    listed = listed_model(model)
    full = full_model(model)
    return Entry(
        model=model,
        get=_answer(_serialize(full), _json(full)),
        element=_serialize(pb.ListModelsResponse(data=[listed])),
        json_element=_json(listed),
    )


def render_list(entries: Iterable[Entry]) -> Answer:
    """Renders the answer of ListModels: these models, in this order."""
    shown = list(entries)
    message = b"".join([_serialize(pb.ListModelsResponse(object="list")), *[entry.element for entry in shown]])
    json_text = b'{"object":"list","data":[%b]}' % b",".join([entry.json_element for entry in shown])
    return _answer(message, json_text)


def _answer(message: bytes, json_text: bytes) -> Answer:
    return Answer(message, _serialize(HttpBody(content_type=_JSON, data=json_text)))


def _serialize(message: Message) -> bytes:
    # Deterministic: every server gives the same bytes, in whatever order its maps were filled.
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
