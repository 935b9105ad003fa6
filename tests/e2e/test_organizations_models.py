"""Organizations' models through Envoy: their shape in both documents, and who sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.domain.model import Model
from modelservice.domain.principal import MODELS_READ, MODELS_READ_ANY
from modelservice.manage.keys import create_key
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import create_model, delete_models, update_models
from modelservice.manage.organizations import create_organization, delete_organization
from tests.support.calls import bearer, call, details
from tests.support.harness import Place, Process, Response, channel, wait_until
from tests.support.service import prepare

LIST = "/modelservice.v1.ModelService/ListModels"
HEADER = "x-modelservice-organization"
VARY = f"Authorization, Accept-Encoding, {HEADER}"
DENIED = {"error": {"type": "permission_error", "message": "Access to models endpoint denied", "code": "access_denied"}}


@dataclass(frozen=True)
class Tenants:
    place: Place
    acme: str
    rival: str
    gateway: str
    bot: Model
    process: Process


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """A service with two organizations, a model of one, and a gateway's key."""
    place = Place(tmp_path_factory.mktemp("tenants"))
    acme = prepare(place).reader
    url = place.database_url
    create_organization(url, "test", "rival")
    fields = {
        "name": "support/bot",
        "display_name": "Support Bot",
        "context_window": 1_000,
        "system_prompt": "Be kind.",
    }
    bot = create_model(url, "test", "acme", "gpt-4o", fields, prompt_quota=100)
    rival = create_key(url, "test", "rival", scopes={MODELS_READ}).text
    gateway = create_key(url, "test", None, scopes={MODELS_READ_ANY}).text
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield Tenants(place, acme, rival, gateway, bot, process)


def test_in_the_list_it_looks_as_fine_tuned_models_did(tenants: Tenants) -> None:
    listed = tenants.place.rest("/v1/models", tenants.acme).json["data"]
    base, bot = listed[0], listed[-1]

    assert 11 == len(listed)
    assert list(base) == list(bot)
    assert ("support/bot", "acme", "gpt-4o", "gpt-4o") == (bot["id"], bot["owned_by"], bot["root"], bot["parent"])
    assert "acme" == bot["permission"][0]["organization"]
    assert base["cloakr_metadata"] | {"context_window": 1_000} == bot["cloakr_metadata"]


@pytest.mark.parametrize("spelling", ["support/bot", "support%2Fbot", "uuid", "UUID"])
def test_in_get_it_has_a_parent_and_nothing_that_is_the_parents(tenants: Tenants, spelling: str) -> None:
    uuid = str(tenants.bot.id)
    path = {"uuid": uuid, "UUID": uuid.upper()}.get(spelling, spelling)
    base = tenants.place.rest("/v1/models/gpt-4o", tenants.acme).json
    bot = tenants.place.rest(f"/v1/models/{path}", tenants.acme).json

    assert sorted(bot) == list(bot)
    assert {
        "contextWindow": 1_000,
        "createdAt": bot["createdAt"],
        "displayName": "Support Bot",
        "enabled": True,
        "id": uuid,
        "isSystemModel": False,
        "maxTokensPerRequest": base["maxTokensPerRequest"],
        "metadata": {},
        "parentModelId": base["id"],
        "supportsReasoning": True,
        "supportsStreaming": True,
        "supportsTools": True,
        "supportsVision": True,
        "systemPrompt": "Be kind.",
        "updatedAt": bot["updatedAt"],
    } == bot


def test_to_another_organization_it_is_as_if_it_had_never_been(tenants: Tenants) -> None:
    def ask(model: str) -> Response:
        return tenants.place.rest(f"/v1/models/{model}", tenants.rival)

    listed = tenants.place.rest("/v1/models", tenants.rival)
    assert 10 == len(listed.json["data"])
    assert "bot" not in listed.body.decode()
    for theirs, nobodys in (
        ("support%2Fbot", "support%2Fxyz"),
        (str(tenants.bot.id), "550e8400-e29b-41d4-a716-446655440000"),
    ):
        there, never = ask(theirs), ask(nobodys)
        assert (404, 404) == (there.status, never.status)
        assert never.body.replace(nobodys.replace("%2F", "/").encode(), b"") == there.body.replace(
            theirs.replace("%2F", "/").encode(), b""
        )
        differing = {"x-request-id", "date", "content-length"}
        assert {name: value for name, value in there.headers.items() if name not in differing} == {
            name: value for name, value in never.headers.items() if name not in differing
        }


def test_a_gateway_acts_for_the_organization_that_it_names(tenants: Tenants) -> None:
    def names(*metadata: tuple[str, str]) -> list[str]:
        with channel(tenants.place.grpc) as one:
            stub = ModelServiceStub(one)
            answer = stub.ListModels(pb.ListModelsRequest(), metadata=(*bearer(tenants.gateway), *metadata))
            return [item.id for item in answer.data]

    assert "support/bot" in names((HEADER, "acme"))
    assert 10 == len(names())
    assert 10 == len(names((HEADER, "rival")))
    # Not even whether an organization exists can be learned.
    assert 10 == len(names((HEADER, "nobody")))
    # The log tells for whom each call was.
    wait_until(lambda: '"organization": "nobody", "key_id"' in tenants.process.errors, "the call is logged")


def test_nobody_else_may_name_one(tenants: Tenants) -> None:
    for organization in ("acme", "rival"):
        error = call(tenants.place.grpc, LIST, b"", (*bearer(tenants.acme), (HEADER, organization)))
        assert (grpc.StatusCode.PERMISSION_DENIED, "ACCESS_DENIED") == (error.code(), details(error)[1].reason)


@pytest.mark.parametrize("named", [(("a b"),), ("a", "b"), ("",)])
def test_what_can_be_no_organization_is_invalid(tenants: Tenants, named: tuple[str, ...]) -> None:
    metadata = (*bearer(tenants.gateway), *((HEADER, value) for value in named))
    error = call(tenants.place.grpc, LIST, b"", metadata)

    assert grpc.StatusCode.INVALID_ARGUMENT == error.code()
    assert HEADER in error.details()


def test_envoy_lets_nobody_name_one_from_outside(tenants: Tenants) -> None:
    headers = {HEADER: "acme"}
    # The header is not there for the server: neither refused nor followed.
    assert 200 == tenants.place.rest("/v1/models", tenants.acme, headers=headers).status
    answer = tenants.place.rest("/v1/models", tenants.gateway, headers=headers)
    assert (10, "Authorization, Accept-Encoding") == (len(answer.json["data"]), answer.headers["vary"])
    with channel(tenants.place.http) as one:
        metadata = (*bearer(tenants.gateway), (HEADER, "acme"))
        assert 10 == len(ModelServiceStub(one).ListModels(pb.ListModelsRequest(), metadata=metadata).data)


def test_a_setting_lets_envoy_pass_it_on(place: Place) -> None:
    place.settings["MODELSERVICE_ORGANIZATION_HEADER"] = "true"
    reader = prepare(place).reader
    gateway = create_key(place.database_url, "test", None, scopes={MODELS_READ_ANY}).text
    fields = {"name": "bot", "display_name": "Bot"}
    create_model(place.database_url, "test", "acme", "gpt-4o", fields, prompt_quota=0)
    with Process(place, "run") as process:
        process.wait_for("ready: ")

        answer = place.rest("/v1/models/bot", gateway, headers={HEADER: "acme"})
        assert (200, VARY) == (answer.status, answer.headers["vary"])
        assert 404 == place.rest("/v1/models/bot", gateway).status
        refused = place.rest("/v1/models/bot", reader, headers={HEADER: "acme"})
        assert (403, DENIED) == (refused.status, refused.json)


def test_what_is_deleted_or_changed_is_so_for_every_caller(tenants: Tenants) -> None:
    place, url = tenants.place, tenants.place.database_url
    create_organization(url, "test", "brief")
    key = create_key(url, "test", "brief", scopes={MODELS_READ}).text
    for name in ("one", "two"):
        create_model(url, "test", "brief", "gpt-4o", {"name": name, "display_name": name}, prompt_quota=0)

    def listed() -> list[str]:
        answer = place.rest("/v1/models", key).json
        return [item["id"] for item in answer.get("data", [])][10:]

    wait_until(lambda: listed() == ["one", "two"], "the models are there")
    update_models(url, "test", [ModelRef("one", "brief")], {"enabled": False}, prompt_quota=0)
    wait_until(lambda: listed() == ["two"], "a disabled model is not listed")
    assert place.rest("/v1/models/one", key).json["enabled"] is False
    delete_models(url, "test", [ModelRef("two", "brief")])
    wait_until(lambda: place.rest("/v1/models/two", key).status == 404, "a deleted model is gone")
    assert [] == listed()
    delete_organization(url, "test", "brief", cascade=True)
    wait_until(lambda: place.rest("/v1/models", key).status == 401, "a deleted organization's key is refused")
