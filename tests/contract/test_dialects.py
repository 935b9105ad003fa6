"""Dialects: their paths, and OpenAI's under a prefix of its own, through Envoy."""

from __future__ import annotations

import pytest
from google.api import annotations_pb2

from modelservice.dialects.paths import PATHS, Resource
from modelservice.dialects.registry import DIALECTS
from modelservice.rest.v1 import rest_service_pb2
from tests.support.harness import Place, Process
from tests.support.service import Service, prepare

LIST, MODEL = "/openai/v1/models", "/openai/v1/models/gpt-4o"


def test_the_table_of_paths_is_what_the_transcoder_knows() -> None:
    methods = rest_service_pb2.DESCRIPTOR.services_by_name["RestService"].methods_by_name
    rules = {name: method.GetOptions().Extensions[annotations_pb2.http] for name, method in methods.items()}
    known = {name: [rule.get, *(other.get for other in rule.additional_bindings)] for name, rule in rules.items()}

    assert known == {
        Resource.LIST.value: [path.collection for path in PATHS],
        Resource.MODEL.value: [f"{path.collection}/**" for path in PATHS],
    }


def test_every_path_is_of_a_dialect() -> None:
    assert [path.dialect for path in PATHS] == list(DIALECTS)


def test_openais_list_has_openais_members_alone(service: Service) -> None:
    documents = service.place.rest("/v1/models", service.keys.reader).json["data"]
    answer = service.place.rest(LIST, service.keys.reader)

    members = ("id", "object", "created", "owned_by")
    assert answer.json == {"object": "list", "data": [{name: one[name] for name in members} for one in documents]}


def test_openais_model_is_the_element_of_the_list(service: Service) -> None:
    (listed,) = [one for one in service.place.rest(LIST, service.keys.reader).json["data"] if one["id"] == "gpt-4o"]

    assert listed == service.place.rest(MODEL, service.keys.reader).json


def test_a_uuid_names_the_model_too(service: Service) -> None:
    uuid = service.place.rest("/v1/models/gpt-4o", service.keys.reader).json["id"]

    assert "gpt-4o" == service.place.rest(f"{LIST}/{uuid}", service.keys.reader).json["id"]


def test_the_filters_and_orders_of_the_documents_work(service: Service) -> None:
    query = "?capability=reasoning&order_by=id+desc"
    expected = [one["id"] for one in service.place.rest(f"/v1/models{query}", service.keys.reader).json["data"]]

    assert expected == [one["id"] for one in service.place.rest(LIST + query, service.keys.reader).json["data"]]


@pytest.mark.parametrize("name", ["limit", "user", "client_version", "api-version", "order", "after", "_"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gpt-4o", LIST, MODEL])
def test_what_clients_of_such_apis_add_is_ignored(service: Service, path: str, name: str) -> None:
    plain, added = (service.place.rest(target, service.keys.reader) for target in (path, f"{path}?{name}=1"))

    assert (200, plain.body) == (added.status, added.body)


def test_an_entity_tag_makes_a_304(service: Service) -> None:
    for path in (LIST, MODEL):
        tag = service.place.rest(path, service.keys.reader).headers["etag"]

        assert 304 == service.place.rest(path, service.keys.reader, headers={"if-none-match": tag}).status


def test_dialects_have_entity_tags_of_their_own(service: Service) -> None:
    tags = {service.place.rest(path, service.keys.reader).headers["etag"] for path in ("/v1/models", LIST)}

    assert 2 == len(tags)


ACCEPTED = (
    "_, after, api-version, capability, client_version, compliance, encryption_supported, limit, "
    "max_cost_per_1k_tokens, min_context_window, order, order_by, owned_by, pii_redaction_supported, q, user"
)
ERRORS = {
    f"{LIST}/none": (404, "The model 'none' does not exist", "model", "model_not_found"),
    f"{LIST}/%zz": (
        400,
        "model_id: must be a UUID or a model's name: 1-256 letters, digits and . _ : @ / -",
        "model",
        "invalid_request",
    ),
    f"{LIST}?page_size=5": (
        400,
        f"Unknown query parameter: page_size. Accepted: {ACCEPTED}",
        "page_size",
        "invalid_request",
    ),
    f"{LIST}?min_context_window=x": (
        400,
        "min_context_window: must be a whole number from 0 to 4294967295",
        "min_context_window",
        "invalid_request",
    ),
}


@pytest.mark.parametrize("target", ERRORS)
def test_errors_have_openais_members(service: Service, target: str) -> None:
    status, message, param, code = ERRORS[target]
    answer = service.place.rest(target, service.keys.reader)

    expected = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    assert (status, {"error": expected}) == (answer.status, answer.json)
    assert "application/json" == answer.headers["content-type"]


def test_an_error_without_a_parameter_has_param_null(service: Service) -> None:
    answer = service.place.rest(LIST)

    expected = {
        "message": "Invalid API key",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    assert (401, {"error": expected}) == (answer.status, answer.json)
    assert "Bearer" == answer.headers["www-authenticate"]


UNKNOWN = ["/openai", "/openai/v1", "/openai/v1/modelsx", "/openai/v2/models", "/OpenAI/v1/models"]


@pytest.mark.parametrize("path", UNKNOWN)
def test_other_paths_below_the_prefix_are_unknown(service: Service, path: str) -> None:
    answer = service.place.rest(path, service.keys.reader)

    assert (404, "not_found") == (answer.status, answer.json["error"]["code"])


def test_a_disabled_model_is_not_listed_and_can_be_fetched(place: Place) -> None:
    keys = prepare(place)
    place.command("models", "disable", "gpt-4o")
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        listed = [one["id"] for one in place.rest(LIST, keys.reader).json["data"]]

        assert "gpt-4o" not in listed
        assert "gpt-4o" == place.rest(MODEL, keys.reader).json["id"]
