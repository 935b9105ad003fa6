"""JSON Schemas of the messages. Objects stay open, because a later version may add fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from modelservice.catalogue.query.filters import OWNER_CHARACTERS_MAX, VALUES_MAX, WORDS_CHARACTERS_MAX, WORDS_MAX
from modelservice.catalogue.query.order import FIELDS
from modelservice.domain.values import UINT32_MAX
from openapi.source import Source

Schema = dict[str, Any]

_INT32_MAX: Final = 2**31 - 1
# The format for code generators: a signed 64-bit integer holds every value.
_UINT32: Final = {"type": "integer", "format": "int64", "minimum": 0, "maximum": UINT32_MAX}
_SCALARS: Final[Mapping[int, Schema]] = {
    FieldDescriptorProto.TYPE_STRING: {"type": "string"},
    FieldDescriptorProto.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptorProto.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptorProto.TYPE_UINT32: _UINT32,
    FieldDescriptorProto.TYPE_INT32: {"type": "integer", "format": "int32", "maximum": _INT32_MAX},
}
_WELL_KNOWN: Final[Mapping[str, Schema]] = {
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Struct": {"type": "object"},
    ".google.protobuf.Value": {},
    ".google.protobuf.NullValue": {"type": "null"},
}

# Without lookahead, which not every implementation has. Length keywords are separate.
_SEGMENT: Final = r"(?:\.?[A-Za-z0-9_:@-]|\.\.[A-Za-z0-9._:@-])[A-Za-z0-9._:@-]*"
# `domain.values.is_model_name`, or a UUID, which also matches.
_NAME: Final[Schema] = {"pattern": f"^{_SEGMENT}(?:/{_SEGMENT})*$", "minLength": 1, "maxLength": 256}
_UUID: Final[Schema] = {"format": "uuid"}
_LABEL: Final[Schema] = {"pattern": "^[a-z0-9]+(?:[._-][a-z0-9]+)*$"}
_FROM_0: Final[Schema] = {"minimum": 0}
# What `str.split` takes for space. Not every implementation of `\s` has these control characters.
_SPACE: Final = r"[\s\x1c-\x1f\x85]"
_WORD: Final = r"[^\s\x1c-\x1f\x85]"
# Constraints that proto3 cannot express. For a repeated field, those of each value.
_BOUNDS: Final[Mapping[str, Schema]] = {
    "ListModelsRequest.capability": _LABEL,
    "ListModelsRequest.compliance": _LABEL,
    "ListModelsRequest.owned_by": {"minLength": 1, "maxLength": OWNER_CHARACTERS_MAX},
    "ListModelsRequest.max_cost_per_1k_tokens": _FROM_0,
    "ListModelsRequest.q": {
        "maxLength": WORDS_CHARACTERS_MAX,
        "pattern": f"^{_SPACE}*(?:{_WORD}+{_SPACE}+){{0,{WORDS_MAX - 1}}}{_WORD}*{_SPACE}*$",
    },
    "ListModelsRequest.order_by": {"enum": ["", *(text for field in FIELDS for text in (field, f"{field} desc"))]},
    "ListModelsRequest.page_size": _FROM_0,
    "ListModelsRequest.page_token": {"pattern": "^[A-Za-z0-9_-]*$"},
    "GetModelRequest.model_id": _NAME,
    "ListedModel.id": _NAME,
    "ListedModel.root": _NAME,
    "ListedModel.parent": {"type": ["string", "null"]},
    "CloakrMetadata.cost_per_1k_tokens": _FROM_0,
    "CloakrMetadata.capabilities": _LABEL,
    "CloakrMetadata.compliance": _LABEL,
    "Model.id": _UUID,
    "Model.model_name": _NAME,
    "Model.parent_model_id": _UUID,
    "Model.system_prompt_id": _UUID,
}


def message_schemas(source: Source, *names: str) -> dict[str, Schema]:
    """Returns the schemas of messages (full names with a leading dot) and of messages in them, by short name."""
    found: dict[str, Schema] = {}
    for name in names:
        fields = source.messages[name].field
        found[_short(name)] = {
            "description": source.comment(name).text,
            "type": "object",
            # A field with presence is absent if unknown. Messages are always present.
            "required": [field.json_name for field in fields if not field.proto3_optional],
            "properties": {
                field.json_name: described(field_schema(source, name, field), source.prose(name, field))
                for field in fields
            },
        }
        inner = [field.type_name for field in fields if field.type == field.TYPE_MESSAGE]
        found |= message_schemas(source, *(one for one in inner if one not in _WELL_KNOWN))
    return found


def field_schema(source: Source, message: str, field: FieldDescriptorProto) -> Schema:
    """Returns the schema of a field, without its description."""
    comment = source.comment(message, field.name)
    key = f"{_short(message)}.{field.name}"
    schema = _type_of(field) | _BOUNDS.get(key, {})
    if comment.constants:
        schema["const"] = comment.constants[0]
    if comment.examples:
        schema["examples"] = list(comment.examples)
    if field.label != field.LABEL_REPEATED:
        return schema
    most = {"maxItems": VALUES_MAX} if message.endswith("Request") else {}
    return {"type": "array", "items": schema, **most}


def described(schema: Schema, text: str) -> Schema:
    """Returns a schema with a description in front."""
    return {"description": text, **schema}


def _type_of(field: FieldDescriptorProto) -> Schema:
    if field.type in _SCALARS:
        return _SCALARS[field.type]
    if field.type_name in _WELL_KNOWN:
        return _WELL_KNOWN[field.type_name]
    return {"$ref": f"#/components/schemas/{_short(field.type_name)}"}


def _short(name: str) -> str:
    return name.rpartition(".")[2]
