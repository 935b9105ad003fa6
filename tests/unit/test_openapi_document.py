"""The OpenAPI document: valid, made from what is checked in, and as strict as the service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.catalogue.query.filters import WORDS_MAX
from modelservice.dialects.query_string import IGNORED
from modelservice.domain import values
from openapi.schemas import _BOUNDS
from tests.support.harness import ROOT

FILE = ROOT / "src" / "modelservice" / "edge" / "openapi.json"
API = json.loads(FILE.read_text())


def test_the_document_is_valid() -> None:
    validate(API, cls=OpenAPIV31SpecValidator)

    assert API["openapi"].startswith("3.1.")
    for schema in API["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_it_is_what_the_proto_files_and_the_table_of_errors_say(tmp_path: Path) -> None:
    image, made = tmp_path / "image.binpb", tmp_path / "openapi.json"
    protos = ["modelservice/v1/model_service.proto", "modelservice/rest/v1/rest_service.proto"]
    includes = ["-I", "proto", "-I", sysconfig.get_path("purelib"), "--include_imports", "--include_source_info"]
    for command in (
        ["grpc_tools.protoc", *includes, "-o", str(image), *protos],
        ["openapi", str(image), "tests/testdata", str(made)],
    ):
        tools = os.environ | {"PYTHONPATH": "proto/tools"}
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=tools, check=True)

    assert FILE.read_text() == made.read_text()


def test_make_check_compares_it_with_what_is_made_anew() -> None:
    done = subprocess.run(["make", "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert 2 == len(re.findall(r"find .*\bmodelservice/edge/openapi\.json ", done.stdout))


def test_what_is_said_of_fields_is_said_of_fields_that_there_are() -> None:
    for message, field in (key.split(".") for key in _BOUNDS):
        assert field in getattr(pb, message).DESCRIPTOR.fields_by_name


def parameter(path: str, name: str) -> Any:
    (found,) = [one for one in API["paths"][path]["get"]["parameters"] if one.get("name") == name]
    return found["schema"]


def takes(schema: Any, value: object) -> bool:
    # Python's $ takes the end of a line, too.
    return "\n" not in str(value) and Draft202012Validator(schema).is_valid(value)


@given(st.text("aZ09._:@/-", max_size=12) | st.text(max_size=5))
@example("a" * 256)
@example("a" * 257)
@example("550E8400-e29b-41d4-a716-446655440000")
def test_an_id_is_described_as_it_is_taken(text: str) -> None:
    taken = values.is_uuid(text) or values.is_model_name(text)

    assert taken == takes(parameter("/v1/models/{model_id}", "model_id"), text)


@given(st.text("aZ09._-", max_size=8))
@pytest.mark.parametrize("name", ["capability", "compliance"])
def test_a_label_is_described_as_it_is_taken(name: str, text: str) -> None:
    assert values.is_label(text) == takes(parameter("/v1/models", name)["items"], text)


def test_parameters_that_mean_nothing_are_named() -> None:
    assert [name for name in IGNORED if f"`{name}`" not in API["info"]["description"]] == []


@given(st.lists(st.sampled_from(["a", " ", "\x1c", "\x1f", "\x85"]), max_size=40).map("".join))
@example("a\x1f" * 9)
def test_a_search_is_described_as_it_is_taken(text: str) -> None:
    # As in JavaScript, where \s has fewer characters than in Python.
    described = re.fullmatch(parameter("/v1/models", "q")["pattern"], text, re.ASCII)

    assert (len(text.split()) <= WORDS_MAX) == bool(described)
