"""Rows of the database from and to the service's own things."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from modelservice.domain import ApiKey, Model, canonical_json


def model_from_row(row: Mapping[str, Any]) -> Model:
    """Returns the model that a row of `models` holds."""
    values = {name: value for name, value in row.items() if name != "revision"}
    prompt_id = values["system_prompt_id"]
    return Model(
        **values
        | {
            "id": UUID(values["id"]),
            "capabilities": tuple(values["capabilities"]),
            "compliance": tuple(values["compliance"]),
            "metadata": json.loads(values["metadata"]),
            "system_prompt_id": UUID(prompt_id) if prompt_id else None,
        }
    )


def model_to_row(model: Model) -> dict[str, Any]:
    """Returns the row of `models` for a model, without its revision."""
    row = {name: getattr(model, name) for name in Model.__dataclass_fields__}
    return row | {
        "id": str(model.id),
        "capabilities": list(model.capabilities),
        "compliance": list(model.compliance),
        "metadata": canonical_json(model.metadata),
        "system_prompt_id": str(model.system_prompt_id) if model.system_prompt_id else None,
    }


def key_from_row(row: Mapping[str, Any]) -> ApiKey:
    """Returns the API key that a row of `api_keys` holds."""
    values = {name: value for name, value in row.items() if name != "revision"}
    return ApiKey(**values | {"scopes": frozenset(values["scopes"])})


def key_to_row(key: ApiKey) -> dict[str, Any]:
    """Returns the row of `api_keys` for an API key, without its revision."""
    row = {name: getattr(key, name) for name in ApiKey.__dataclass_fields__}
    return row | {"scopes": sorted(key.scopes)}
