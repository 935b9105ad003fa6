"""The OpenAPI document takes for the list's parameters what the service takes."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator

from tests.support.openapi import OPERATIONS, assert_described
from tests.support.service import Service

SCHEMAS = {one["name"]: one["schema"] for one in OPERATIONS["ListModels"]["parameters"] if "name" in one}
VALUES: dict[str, list[Any]] = {
    "capability": [["a"] * 20, ["a"] * 21, ["A"], ["a--b"], ["a.b-c_d", "x"], [""], [" "]],
    "compliance": [["soc2", "gdpr"], ["a"] * 21, ["-a"]],
    "owned_by": [["openai", "cloakr"], ["ü x"], [""], ["ü" * 256], ["a" * 257], ["a"] * 21],
    "min_context_window": [0, 2**32 - 1, 2**32, -1, 1.5, "many"],
    "max_cost_per_1k_tokens": [0, 1e-300, 1e308, -0.1, "NaN", "cheap"],
    "encryption_supported": [True, False, "yes", 1],
    "pii_redaction_supported": [True, False, "", 0],
    "q": ["", " ", "a+b&c%", "ü" * 256, "a" * 257, " a b c d e f g h ", "a b c d e f g h i", "a " * 9],
    "order_by": ["", "id", "created desc", "cost_per_1k_tokens desc", "id asc", "name", "Id", "desc"],
    "page_size": [0, 1, 1_001, 2**31 - 1, 2**31, -1, 0.5],
    # Beyond its characters, what is no token of the service's cannot be told by its form.
    "page_token": ["", "!", "a b"],
}


def listed(service: Service, name: str, value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    texts = [one if isinstance(one, str) else json.dumps(one) for one in values]
    query = "&".join(f"{name}={quote(text, safe='')}" for text in texts)
    return service.place.rest(f"/v1/models?{query}", service.keys.reader)


def test_every_parameter_is_tried() -> None:
    assert VALUES.keys() == SCHEMAS.keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in VALUES.items() for value in values])
def test_a_value_is_taken_if_it_is_described(service: Service, name: str, value: Any) -> None:
    status = "200" if Draft202012Validator(SCHEMAS[name]).is_valid(value) else "400"
    answer = listed(service, name, value)

    assert status == str(answer.status)
    if status == "200":
        assert_described(OPERATIONS["ListModels"]["responses"]["200"], answer)


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_example_of_a_value_finds_models(service: Service, name: str) -> None:
    schema = SCHEMAS[name]
    for example in schema.get("items", schema).get("examples", ()):
        assert listed(service, name, example).json["data"]


def test_pages_are_described(service: Service) -> None:
    first = listed(service, "page_size", 1)
    assert_described(OPERATIONS["ListModels"]["responses"]["200"], first)
    token = first.json["next_page_token"]

    assert Draft202012Validator(SCHEMAS["page_token"]).is_valid(token)
    assert 9 == len(listed(service, "page_token", token).json["data"])
