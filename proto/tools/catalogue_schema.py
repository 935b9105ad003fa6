"""Writes the JSON Schema of catalogue files: `python -m catalogue_schema PATH`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from modelservice.domain.field_kind import Field, Kind
from modelservice.domain.fields import FIELDS

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


def schema() -> dict[str, Any]:
    """Returns the schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A catalogue of system models",
        "type": "object",
        "required": ["models"],
        "additionalProperties": False,
        "properties": {
            "models": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": [field.name for field in FIELDS if field.required],
                    "additionalProperties": False,
                    "properties": {field.name: _property(field) for field in FIELDS},
                },
            }
        },
    }


def _property(field: Field) -> dict[str, Any]:
    found = {"description": f"{field.help}.", **_PLAIN[field.kind]}
    if field.nullable:
        found["type"] = [found["type"], "null"]
    if field.bounds and field.kind in _BOUNDED:
        least, most = _BOUNDED[field.kind]
        found |= {least: field.bounds.least, most: field.bounds.most}
    if field.line:
        found["not"] = {"type": "string", "pattern": _CONTROL}
    if field.default is not None:
        found["default"] = field.plain(field.default)
    return found


if __name__ == "__main__":
    text = json.dumps(schema(), indent=2, ensure_ascii=True) + "\n"
    Path(sys.argv[1]).write_text(text, encoding="utf-8")
