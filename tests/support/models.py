"""Models and catalogue entries with nothing but what they must have."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from modelservice.domain.model import Model


def model(**fields: Any) -> Model:
    values: dict[str, Any] = {
        "id": UUID(int=1),
        "name": "m",
        "display_name": "M",
        "provider": "p",
        "created": 0,
        "updated": 0,
        "position": 1,
    }
    return Model(**values | fields)


def entry(name: str, **fields: Any) -> dict[str, Any]:
    """Returns an entry of a catalogue file."""
    return {"name": name, "display_name": name, "provider": "p"} | fields
