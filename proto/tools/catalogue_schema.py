"""Writes the JSON Schema of catalogue files: `python -m catalogue_schema PATH`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from modelservice.domain.field_kind import Field, Kind
from modelservice.domain.fields import FIELDS
from modelservice.domain.layers import HAS, LACKS, ONLY

# Control characters, as `domain.text.is_printable` has them.
_CONTROL: Final = r"[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]"
_PLAIN: Final[dict[Kind, dict[str, Any]]] = {
    # The rules about slashes and UUIDs need more than a pattern.
    Kind.NAME: {"type": "string", "pattern": "^[A-Za-z0-9._:@/-]{1,256}$"},
    Kind.UUID: {"type": "string", "pattern": "^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$"},
    Kind.TEXT: {"type": "string"},
    Kind.NUMBER: {"type": "integer"},
    Kind.PRICE: {"type": "number", "minimum": 0},
    Kind.FLAG: {"type": "boolean"},
    Kind.LABELS: {
        "type": "array",
        "uniqueItems": True,
        "items": {"type": "string", "pattern": "^[a-z0-9]+([._-][a-z0-9]+)*$"},
    },
    Kind.OBJECT: {"type": "object"},
}
_BOUNDED: Final = {Kind.TEXT: ("minLength", "maxLength"), Kind.NUMBER: ("minimum", "maximum")}
_REQUIRED: Final = [field.name for field in FIELDS if field.required]
_REVISION: Final = {
    "description": "Revision of an export. An import states only what differs from that revision.",
    "type": ["string", "null"],
    "pattern": "^[0-9]{1,18}-[0-9a-f]{12}$",
}


def schema() -> dict[str, Any]:
    """Returns the schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A catalogue of system models",
        "type": "object",
        "required": ["models"],
        "additionalProperties": False,
        "properties": {
            "revision": _REVISION,
            "models": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "additionalProperties": False,
                    "properties": {field.name: _property(field) for field in FIELDS},
                },
            },
        },
        # What an entry of an export does not have has not changed.
        "if": {"required": ["revision"], "properties": {"revision": {"type": "string"}}},
        "else": {"properties": {"models": {"items": {"required": _REQUIRED}}}},
    }


def _property(field: Field) -> dict[str, Any]:
    found = {"description": f"{field.help}.", **_PLAIN[field.kind]}
    if field.kind is Kind.LABELS:
        found = _labels(found)
    elif field.nullable or field.kind is Kind.OBJECT:
        # Of metadata: that there is none, whatever other sources state.
        found["type"] = [found["type"], "null"]
    if field.bounds and field.kind in _BOUNDED:
        least, most = _BOUNDED[field.kind]
        found |= {least: field.bounds.least, most: field.bounds.most}
    if field.line:
        found["not"] = {"type": "string", "pattern": _CONTROL}
    if field.default is not None:
        found["default"] = field.plain(field.default)
    return found


def _labels(listed: dict[str, Any]) -> dict[str, Any]:
    """Returns labels in each of their forms: a list, an object, or null.

    The rule that no label is in both `has` and `lacks` needs more than a schema.
    """
    description = listed.pop("description")
    members = {
        HAS: {"description": "Labels that the model has.", **listed},
        LACKS: {"description": "Labels that the model does not have, whatever lower sources state.", **listed},
        ONLY: {"description": "Whether the model has no others.", "type": "boolean"},
    }
    return {
        "description": f"{description} A list states these labels; null states that there are none.",
        "type": ["array", "object", "null"],
        **{key: value for key, value in listed.items() if key != "type"},
        "additionalProperties": False,
        "properties": members,
    }


if __name__ == "__main__":
    text = json.dumps(schema(), indent=2, ensure_ascii=True) + "\n"
    Path(sys.argv[1]).write_text(text, encoding="utf-8")
