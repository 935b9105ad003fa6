"""The get document, through Envoy."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.documents import TABLES, TESTDATA
from tests.support.service import Service

EXAMPLE = json.loads((TESTDATA / "get_model_example.json").read_text())
REQUIRED = {
    "id": str,
    "displayName": str,
    "contextWindow": int,
    "supportsStreaming": bool,
    "enabled": bool,
    "isSystemModel": bool,
    "createdAt": str,
    "updatedAt": str,
}
# Never absent here, though the document would let them be.
ALWAYS = {"metadata": dict, "supportsTools": bool, "supportsVision": bool, "supportsReasoning": bool}
OPTIONAL = {
    "description": str,
    "provider": str,
    "modelName": str,
    "maxTokensPerRequest": int,
    "creditMultiplier": int,
    "parentModelId": str,
    "systemPromptId": str,
    "systemPrompt": str,
}
# The providers' published output limits; cloakr's are not published.
OUTPUT_LIMITS = {"gpt-4o": 16_384, "gpt-4o-mini": 16_384} | dict.fromkeys(
    ["gpt-4-turbo", "gpt-3.5-turbo", "claude-3-opus", "claude-3-sonnet", "claude-3-haiku"], 4_096
)


def test_a_model_comes_out_equal_to_the_golden_file(service: Service) -> None:
    golden = (TESTDATA / "get_model_gpt-4o.json").read_text().rstrip("\n")

    assert golden == service.place.rest("/v1/models/gpt-4o", service.keys.reader).body.decode()


@pytest.mark.parametrize("row", TABLES, ids=[row[0] for row in TABLES])
def test_every_listed_model_is_shown_as_the_document_says(service: Service, row: tuple[Any, ...]) -> None:
    name, display_name, window, *_, capabilities, owner = row
    model = service.place.rest(f"/v1/models/{name}", service.keys.reader).json

    assert sorted(model) == list(model)
    for field, kind in (REQUIRED | ALWAYS).items():
        assert kind is type(model[field])
    for field in set(model) - set(REQUIRED | ALWAYS):
        assert OPTIONAL[field] is type(model[field])
    assert (display_name, window, owner, name) == tuple(
        model[field] for field in ("displayName", "contextWindow", "provider", "modelName")
    )
    assert OUTPUT_LIMITS.get(name) == model.get("maxTokensPerRequest")
    assert (owner != "cloakr") == model["supportsTools"]
    assert ("multimodal" in capabilities, "reasoning" in capabilities) == (
        model["supportsVision"],
        model["supportsReasoning"],
    )
    assert (True, True, True, {}) == tuple(
        model[field] for field in ("isSystemModel", "supportsStreaming", "enabled", "metadata")
    )


def test_names_types_and_formats_are_those_of_the_documents_example(service: Service) -> None:
    model = service.place.rest("/v1/models/gpt-4o", service.keys.reader).json

    for field, value in EXAMPLE.items():
        if field in model:
            assert type(value) is type(model[field])
    # Whole seconds in UTC, like the example's.
    for field in ("createdAt", "updatedAt"):
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", model[field])
    assert EXAMPLE.keys() - model.keys() == {"creditMultiplier", "description"}


def test_a_model_is_the_same_by_name_and_by_uuid_in_any_case(service: Service) -> None:
    by_name = service.place.rest("/v1/models/claude-3-opus", service.keys.reader)
    uuid = by_name.json["id"]

    for spelling in (uuid, uuid.upper()):
        assert by_name.body == service.place.rest(f"/v1/models/{spelling}", service.keys.reader).body


def test_the_case_of_a_name_matters(service: Service) -> None:
    assert 404 == service.place.rest("/v1/models/GPT-4o", service.keys.reader).status
