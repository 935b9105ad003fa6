"""The examples of the API document and of the clients' READMEs run as they are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from cloakrai import ModelFilters
from cloakrai.v1 import model_service_pb2 as pb
from modelservice.catalogue.query.order import FIELDS
from tests.clients.asking import JAVASCRIPT, JavaScript, environment
from tests.clients.examples import (
    GET_CURL,
    JAVASCRIPT_EXAMPLE,
    JAVASCRIPT_README,
    LIST_CURL,
    PYTHON_EXAMPLE,
    PYTHON_README,
    settings,
)
from tests.support.documents import TABLES
from tests.support.harness import DEADLINE
from tests.support.manual import README, blocks
from tests.support.service import Service


def python(program: str, service: Service) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(**settings(service)),
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE,
    )
    return done.stdout


def test_the_python_example_prints_a_table_of_the_models(service: Service) -> None:
    printed = python(PYTHON_EXAMPLE, service).splitlines()

    assert ["id", *(row[0] for row in TABLES)] == [line.split()[0] for line in printed]
    assert (
        "gpt-4o             openai     128,000      0.03  text-generation, code-generation, reasoning, multimodal"
        in (printed)
    )


def test_the_javascript_example_prints_the_list(service: Service, javascript: JavaScript) -> None:
    printed = javascript.run(JAVASCRIPT_EXAMPLE, **settings(service))

    assert [row[0] for row in TABLES] == re.findall(r"^      id: '(.*)'", printed, re.MULTILINE)


def curl(command: str, service: Service) -> Any:
    done = subprocess.run(
        ["sh", "-c", command], env=environment(**settings(service)), capture_output=True, check=True, timeout=DEADLINE
    )
    return json.loads(done.stdout)


def test_the_list_documents_curl_lists_the_models(service: Service) -> None:
    listed = curl(LIST_CURL.replace("https://api.cloakr.ai", f"http://{service.place.http}"), service)

    assert [row[0] for row in TABLES] == [model["id"] for model in listed["data"]]


def test_the_get_documents_curl_gets_a_model(service: Service) -> None:
    filled = GET_CURL.replace("{model_id}", "gpt-4o").replace("<token>", service.keys.reader)

    model = curl(filled.replace("https://api.cuadra.ai", f"http://{service.place.http}"), service)

    assert "gpt-4o" == model["modelName"]


@pytest.mark.parametrize(
    ("example", "language", "readme"),
    [
        (PYTHON_EXAMPLE, "python", README),
        (JAVASCRIPT_EXAMPLE, "js", README),
        (PYTHON_EXAMPLE, "python", PYTHON_README),
        (JAVASCRIPT_EXAMPLE, "js", JAVASCRIPT_README),
    ],
)
def test_the_readmes_begin_with_the_documents_examples(example: str, language: str, readme: Path) -> None:
    assert example == blocks(language, readme)[0]


@pytest.mark.parametrize("program", blocks("python", PYTHON_README))
def test_the_python_readme_runs(service: Service, program: str) -> None:
    assert "gpt-4o" in python(program, service)


@pytest.mark.parametrize("program", blocks("js", JAVASCRIPT_README))
def test_the_javascript_readme_runs(service: Service, javascript: JavaScript, program: str) -> None:
    assert "gpt-4o" in javascript.run(program, **settings(service))


def test_the_types_of_javascript_declare_what_there_is() -> None:
    exported = [
        sorted(re.findall(r"^export class (\w+)", (JAVASCRIPT / name).read_text(), re.MULTILINE))
        for name in ("index.js", "index.d.ts")
    ]

    assert exported[0] == exported[1]


def test_the_types_of_javascript_declare_every_filter() -> None:
    names = re.findall(r"^  (\w+): '\w+',", (JAVASCRIPT / "index.js").read_text(), re.MULTILINE)
    (declared,) = re.findall(
        r"^export interface ModelFilters {\n(.*?)^}", (JAVASCRIPT / "index.d.ts").read_text(), re.MULTILINE | re.DOTALL
    )

    assert names == re.findall(r"^  (\w+)\?:", declared, re.MULTILINE)


def test_the_clients_know_every_filter_and_order() -> None:
    fields = [field.name for field in pb.ListModelsRequest.DESCRIPTOR.fields]
    names = re.findall(r"^  \w+: '(\w+)',", (JAVASCRIPT / "index.js").read_text(), re.MULTILINE)
    (orders,) = re.findall(r"^export type ModelOrder = (.*);", (JAVASCRIPT / "index.d.ts").read_text(), re.MULTILINE)
    literal, _ = get_args(get_type_hints(ModelFilters)["order_by"])

    # The clients follow the pages by themselves.
    fields.remove("page_token")
    assert sorted(fields) == sorted(names) == sorted(ModelFilters.__annotations__)
    assert set(FIELDS) == set(re.findall(r"'(\w+)'", orders))
    assert {text for field in FIELDS for text in (field, f"{field} desc")} == set(get_args(literal))
