"""The published OpenAPI document, and whether an answer is what it describes."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.support.harness import ROOT, Response

FILE = ROOT / "src" / "modelservice" / "edge" / "openapi.json"
API = json.loads(FILE.read_text())
COMPONENTS = API["components"]
SCHEMAS = COMPONENTS["schemas"]
OPERATIONS = {item["get"]["operationId"]: item["get"] for item in API["paths"].values()}


def closed(schema: Any) -> Any:
    """Returns a schema whose objects have no other members than it names: what it leaves out is found."""
    match schema:
        case dict():
            more = {"additionalProperties": False} if "properties" in schema else {}
            return {name: closed(item) for name, item in schema.items()} | more
        case list():
            return [closed(item) for item in schema]
        case _:
            return schema


CLOSED = copy.deepcopy(API)
REGISTRY: Any = Registry().with_resource("urn:api", DRAFT202012.create_resource(CLOSED))


def problems(schema: Any, value: Any) -> list[str]:
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    validator = Draft202012Validator(absolute, registry=REGISTRY, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def resolved(item: Mapping[str, Any]) -> Any:
    """Returns what a reference leads to."""
    found: Any = item
    while "$ref" in found:
        *_, kind, name = found["$ref"].split("/")
        found = COMPONENTS[kind][name]
    return found


def assert_described(response: Mapping[str, Any], answer: Response) -> None:
    """Makes sure that an answer is what a response of the document says."""
    content = response.get("content", {})
    assert (["application/json"] if answer.body else []) == list(content)
    for schema in (item["schema"] for item in content.values()):
        assert "application/json" == answer.headers["content-type"]
        assert [] == problems(schema, answer.json)
    names = {name.lower(): resolved(header)["schema"] for name, header in response["headers"].items()}
    for name in names.keys() & answer.headers.keys():
        is_number = "integer" == names[name].get("type")
        assert [] == problems(names[name], int(answer.headers[name]) if is_number else answer.headers[name])
    # What HTTP itself says of a body, a connection and a time needs no word.
    assert answer.headers.keys() - {"content-type", "content-length", "connection", "date"} <= names.keys()
