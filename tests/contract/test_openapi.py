"""The OpenAPI document is served as it is, and true of what the service answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelservice import errors
from modelservice.manage.models import create_model
from tests.support.harness import Place, Process, Response, suspend, wait_until
from tests.support.issuer import Issuer, member, sign
from tests.support.openapi import API, CLOSED, COMPONENTS, FILE, OPERATIONS, SCHEMAS, assert_described, closed, resolved
from tests.support.service import Keys, prepare

NAMES, NAME_LENGTH_MAX = (SCHEMAS["ListedModel"]["properties"]["id"][name] for name in ("pattern", "maxLength"))
# A server with a defect.
DEFECT = """\
from modelservice.catalogue.snapshot import Snapshot

def get(*_):
    raise RuntimeError

Snapshot.get = get
"""


@dataclass(frozen=True)
class Stage:
    """A service that accepts JWTs, with an organization's model; and one with a defect, and little patience."""

    place: Place
    process: Process
    keys: Keys
    broken: Place

    def ask(self, target: str = "/v1/models/gpt-4o", credential: str | None = None, **more: Any) -> Response:
        return self.place.rest(target, credential or self.keys.reader, **more)

    @contextlib.contextmanager
    def server_hangs(self) -> Iterator[None]:
        pid = self.process.children()["server"]
        suspend(pid)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)
            wait_until(self.place.ready, "Envoy finds the server again")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(DEFECT)
    with Issuer() as issuer:
        place = Place(tmp_path_factory.mktemp("openapi"), issuer.settings)
        broken = Place(
            tmp_path_factory.mktemp("broken"), {"PYTHONPATH": str(site), "MODELSERVICE_RATE_PER_CREDENTIAL": "1"}
        )
        broken.database_url = place.database_url
        keys = prepare(place)
        own = {"name": "own/bot", "display_name": "Bot", "system_prompt": "Be kind.", "metadata": {"a": [None]}}
        create_model(place.database_url, "test", "acme", "gpt-4o", own, prompt_quota=100)
        with Process(place, "run") as process, Process(broken, "run") as other:
            process.wait_for("ready: ")
            other.wait_for("ready: ")
            yield Stage(place, process, keys, broken)


CLOSED["components"]["schemas"] = closed(SCHEMAS)


def examples() -> dict[str, tuple[int, Any, Any]]:
    """Returns every example of an answer: its status, the response, and what is answered."""
    successes = {
        name: (200, operation["responses"]["200"], content["example"])
        for name, operation in OPERATIONS.items()
        for content in operation["responses"]["200"].get("content", {}).values()
        if "example" in content
    }
    failures = {
        f"{name} {code}": (int(name.removeprefix("Error")), response, one["value"])
        for name, response in COMPONENTS["responses"].items()
        for content in response["content"].values()
        for code, one in content["examples"].items()
    }
    return successes | failures


def late(stage: Stage) -> Response:
    with stage.server_hangs():
        return stage.ask(headers={"grpc-timeout": "300m"})


def unavailable(stage: Stage) -> Response:
    with stage.server_hangs():
        wait_until(lambda: not stage.place.ready(), "Envoy turns away from a server that hangs")
        return stage.ask()


def limited(stage: Stage) -> Response:
    answers = [stage.broken.rest("/v1/models", "an impatient one") for _ in range(10)]
    return next(answer for answer in answers if answer.status != 401)


# How each example is had. The organization has a model of its own, which the list's example does not show.
ASK: Mapping[str, Callable[[Stage], Response]] = {
    "ListModels": lambda stage: stage.ask("/v1/models", sign(member("organization-test-unknown"))),
    "GetModel": lambda stage: stage.ask(),
    "Error400 invalid_request": lambda stage: stage.ask(headers={"x_underscore": "1"}),
    "Error401 invalid_api_key": lambda stage: stage.ask(credential="rubbish"),
    "Error401 invalid_token": lambda stage: stage.ask(credential=sign(member("acme") | {"exp": 1})),
    "Error403 access_denied": lambda stage: stage.ask(credential=stage.keys.without_scope),
    "Error404 model_not_found": lambda stage: stage.ask("/v1/models/nobody/nothing"),
    "Error404 not_found": lambda stage: stage.ask("/v1/models/.."),
    "Error413 request_too_large": lambda stage: stage.ask(body=b"a" * 70_000),
    "Error429 rate_limited": limited,
    "Error431 request_too_large": lambda stage: stage.ask(headers={"x-long": "a" * 40_000}),
    "Error500 internal_error": lambda stage: stage.broken.rest("/v1/models/gpt-4o", stage.keys.reader),
    "Error503 unavailable": unavailable,
    "Error504 timeout": late,
}


@pytest.mark.parametrize("target", ["/openapi.json", "/openapi.json?x=1", "//openapi.json"])
def test_it_is_served_to_anybody_as_it_is(stage: Stage, target: str) -> None:
    answer = stage.place.rest(target)

    assert (200, FILE.read_bytes()) == (answer.status, answer.body)
    assert "public, max-age=3600" == answer.headers["cache-control"]
    assert_described(OPERATIONS["GetOpenAPI"]["responses"]["200"], answer)


def test_its_requests_are_logged_without_their_query(stage: Stage) -> None:
    request_id = stage.place.rest("/openapi.json?secret=1").headers["x-request-id"]
    wait_until(lambda: request_id in stage.process.log, "the access log has the request")

    (line,) = [json.loads(line) for line in stage.process.log.splitlines() if request_id in line]
    assert ("GET", "/openapi.json", 200) == (line["method"], line["path"], line["status"])
    assert "secret" not in str(line)


def test_native_grpc_is_not_answered_with_it(stage: Stage) -> None:
    answer = stage.place.rest("/openapi.json", headers={"content-type": "application/grpc"})

    assert ("12", "Unknown path") == (answer.headers["grpc-status"], answer.headers["grpc-message"])


@pytest.mark.parametrize("name", examples())
def test_every_example_is_an_answer_of_the_service(stage: Stage, name: str) -> None:
    status, response, expected = examples()[name]
    answer = ASK[name](stage)

    assert (status, expected) == (answer.status, answer.json)
    assert_described(response, answer)


def test_every_error_that_rest_answers_with_has_an_example() -> None:
    shown = {code: one for _, _, one in examples().values() if "error" in one for code in [one["error"]["code"]]}

    # No operation has the wrong method.
    others = {errors.UNKNOWN_SERVICE.code, errors.METHOD_NOT_ALLOWED.code}
    assert {kind.code for kind in errors.REFUSALS} - others == shown.keys()
    for kind in errors.REFUSALS:
        assert kind.code not in shown or kind.type == shown[kind.code]["error"]["type"]
    body = SCHEMAS["ErrorBody"]["properties"]
    assert shown.keys() | {errors.METHOD_NOT_ALLOWED.code} == set(body["code"]["examples"])
    assert {one["error"]["type"] for one in shown.values()} == set(body["type"]["examples"])


def test_every_answer_with_models_is_described(stage: Stage) -> None:
    listed = stage.ask("/v1/models")
    assert_described(OPERATIONS["ListModels"]["responses"]["200"], listed)
    assert "own/bot" in {model["id"] for model in listed.json["data"]}
    for model in listed.json["data"]:
        by_name = stage.ask(f"/v1/models/{model['id']}")
        assert_described(OPERATIONS["GetModel"]["responses"]["200"], by_name)
        assert_described(OPERATIONS["GetModel"]["responses"]["200"], stage.ask(f"/v1/models/{by_name.json['id']}"))


@pytest.mark.parametrize(("operation", "target"), [("ListModels", "/v1/models"), ("GetModel", "/v1/models/own%2Fbot")])
def test_an_answer_that_the_caller_has_is_described(stage: Stage, operation: str, target: str) -> None:
    answer = stage.ask(target, headers={"if-none-match": "*"})

    assert 304 == answer.status
    assert_described(OPERATIONS[operation]["responses"]["304"], answer)


@pytest.mark.parametrize(("operation", "target"), [("GetHealth", "/healthz"), ("GetReadiness", "/readyz")])
def test_probes_are_described(stage: Stage, operation: str, target: str) -> None:
    answer = stage.place.rest(target)

    assert 200 == answer.status
    assert_described(OPERATIONS[operation]["responses"]["200"], answer)


@pytest.mark.parametrize(
    ("target", "more"),
    [
        (target, more)
        for target in API["paths"]
        for more in (
            {"headers": {"x_underscore": "1"}},
            {"headers": {"x-long": "a" * 40_000}},
            {"headers": {f"x-{number}": "a" for number in range(120)}},
            {"body": b"a" * 70_000},
        )
    ],
)
def test_every_path_describes_what_envoy_refuses(stage: Stage, target: str, more: dict[str, Any]) -> None:
    answer = stage.place.rest(target.replace("{model_id}", "gpt-4o"), stage.keys.reader, **more)

    assert_described(resolved(API["paths"][target]["get"]["responses"][str(answer.status)]), answer)


def test_every_example_of_a_field_is_a_value_of_an_answer(stage: Stage) -> None:
    listed = stage.ask("/v1/models").json["data"]
    seen = {
        "ListedModel": listed,
        "ModelPermission": [one for model in listed for one in model["permission"]],
        "CloakrMetadata": [model["cloakr_metadata"] for model in listed],
        "Model": [stage.ask(f"/v1/models/{model['id']}").json for model in listed],
    }
    for name, objects in seen.items():
        for field, schema in SCHEMAS[name]["properties"].items():
            found = [one[field] for one in objects if field in one]
            if "items" in schema:
                found = [item for one in found for item in one]
            for value in schema.get("items", schema).get("examples", ()):
                assert value in found, (name, field)


@settings(deadline=None, max_examples=50)
@given(st.from_regex(NAMES.replace("$", r"\Z")).filter(lambda name: len(name) <= NAME_LENGTH_MAX))
def test_every_id_that_is_described_is_looked_for(stage: Stage, name: str) -> None:
    for spelling in (quote(name, safe="/:@"), quote(name, safe="")):
        answer = stage.ask(f"/v1/models/{spelling}")
        assert 200 == answer.status or "model_not_found" == answer.json["error"]["code"]
