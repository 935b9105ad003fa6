"""Callers with a JSON Web Token: the same answers over REST, gRPC, and gRPC through Envoy, on both endpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from openai import OpenAI

from cloakrai.v1 import model_service_pb2 as pb
from modelservice import errors
from modelservice.auth import api_key
from modelservice.manage.clients import add_client, remove_client
from modelservice.manage.models import create_model
from modelservice.manage.organizations import create_organization
from tests.support.calls import GET, LIST, bearer, call, details
from tests.support.harness import Place, Process, channel, unary, wait_until
from tests.support.issuer import CLIENT, Claims, Issuer, machine, member, public, sign
from tests.support.service import Keys, prepare

WAYS = ("REST", "gRPC", "gRPC through Envoy")


@dataclass(frozen=True)
class Guarded:
    """A running service that accepts an issuer's tokens."""

    place: Place
    process: Process
    issuer: Issuer
    keys: Keys


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with Issuer() as issuer:
        place = Place(tmp_path_factory.mktemp("guarded"), issuer.settings)
        keys = prepare(place)
        create_model(place.database_url, "test", "acme", "gpt-4o", {"display_name": "A", "name": "bot"}, prompt_quota=0)
        create_organization(place.database_url, "test", "globex")
        add_client(place.database_url, "test", CLIENT, "acme")
        with Process(place, "run") as process:
            process.wait_for("ready: ")
            yield Guarded(place, process, issuer, keys)


def outcome(place: Place, way: str, credential: str, model_id: str | None = None) -> list[str] | str:
    """Asks for the list, or for a model; returns the models' names, or the code of the documented error."""
    if way == "REST":
        answer = place.rest(f"/v1/models/{model_id}" if model_id else "/v1/models", credential)
        if answer.status != 200:
            kind = next(kind for kind in errors.REFUSALS if kind.code == answer.json["error"]["code"])
            # The whole of it: each code with its own status, type and sentence.
            assert (kind.http_status, kind.type) == (answer.status, answer.json["error"]["type"])
            assert ("Bearer" if kind.http_status == 401 else None) == answer.headers.get("www-authenticate")
            assert kind == errors.MODEL_NOT_FOUND or kind.message == answer.json["error"]["message"]
            return str(kind.code)
        return [answer.json["displayName"]] if model_id else [model["id"] for model in answer.json["data"]]
    with channel(place.grpc if way == "gRPC" else place.http) as one:
        request = pb.GetModelRequest(model_id=model_id) if model_id else pb.ListModelsRequest()
        method = unary(one, GET if model_id else LIST)
        try:
            received = method(request.SerializeToString(), metadata=bearer(credential), timeout=20)
        except grpc.RpcError as error:
            return str(details(error)[1].reason.lower())
        if model_id:
            return [pb.Model.FromString(received).display_name]
        return [model.id for model in pb.ListModelsResponse.FromString(received).data]


def without(claims: Claims, name: str) -> Claims:
    return {key: value for key, value in claims.items() if key != name}


def later(seconds: float, **claims: Any) -> dict[str, int]:
    return {name: int(time.time() + seconds + offset) for name, offset in claims.items()}


OWN = "bot"
ACCEPTED: dict[str, tuple[Callable[[], str], bool]] = {
    "a member": (lambda: sign(member("acme")), True),
    "an audience that is a text": (lambda: sign(member("acme") | {"aud": member()["aud"][0]}), True),
    "a member of another organization": (lambda: sign(member("globex")), False),
    "a member of an organization that is unknown": (lambda: sign(member("organization-test-unknown")), False),
    "a machine": (lambda: sign(machine()), True),
    "a machine that is unknown": (lambda: sign(machine("m2m-client-test-unknown")), False),
}
REFUSED: dict[str, tuple[errors.RefusalKind, Callable[[], str]]] = {
    "expired": (errors.INVALID_TOKEN, lambda: sign(member() | later(-31, exp=0))),
    "not valid yet": (errors.INVALID_TOKEN, lambda: sign(member() | later(60, nbf=0))),
    "no exp": (errors.INVALID_TOKEN, lambda: sign(without(member(), "exp"))),
    "no sub": (errors.INVALID_TOKEN, lambda: sign(without(member(), "sub"))),
    "no aud": (errors.INVALID_TOKEN, lambda: sign(without(member(), "aud"))),
    "another audience": (errors.INVALID_TOKEN, lambda: sign(member() | {"aud": ["other"]})),
    "another issuer": (errors.INVALID_TOKEN, lambda: sign(member() | {"iss": "stytch.com/other"})),
    "an organization of the wrong type": (errors.INVALID_TOKEN, lambda: sign(member(5))),
    "an unknown key": (errors.INVALID_TOKEN, lambda: sign(member(), "key-9")),
    "another's signature": (errors.INVALID_TOKEN, lambda: sign(member(), "key-9", kid="key-1")),
    "alg none": (errors.INVALID_TOKEN, lambda: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."),
    "rubbish in the form of a token": (errors.INVALID_TOKEN, lambda: "a.b.c"),
    "20 KB": (errors.INVALID_TOKEN, lambda: sign(member() | {"more": "a" * 15_000})),
    "a machine without the scope": (errors.ACCESS_DENIED, lambda: sign(machine(scope="other models:write"))),
    "neither a key nor a token": (errors.INVALID_API_KEY, lambda: "rubbish"),
    "an encrypted token": (errors.INVALID_API_KEY, lambda: "a.b.c.d.e"),
    "an unknown key of the API": (errors.INVALID_API_KEY, lambda: api_key.generate().text),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_token_reads_what_is_its_organizations(guarded: Guarded, name: str, way: str) -> None:
    make, own = ACCEPTED[name]
    token = make()

    listed = outcome(guarded.place, way, token)

    assert isinstance(listed, list)
    assert (10 + own, own) == (len(listed), OWN in listed)
    assert (["A"] if own else "model_not_found") == outcome(guarded.place, way, token, OWN)
    assert ["GPT-4 Omni (latest)"] == outcome(guarded.place, way, token, "gpt-4o")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_token_is_refused_in_the_documented_way(guarded: Guarded, name: str, way: str) -> None:
    kind, make = REFUSED[name]
    token = make()

    assert kind.code == outcome(guarded.place, way, token)
    assert kind.code == outcome(guarded.place, way, token, "gpt-4o")


def test_the_body_is_the_documents(guarded: Guarded) -> None:
    answer = guarded.place.rest("/v1/models/gpt-4o", sign(member() | later(-100, exp=0)))

    expected = '{"error":{"type":"authentication_error","message":"Invalid or expired token","code":"invalid_token"}}'
    assert (401, expected) == (answer.status, answer.body.decode())


@pytest.mark.parametrize("way", WAYS)
def test_keys_work_beside_tokens(guarded: Guarded, way: str) -> None:
    assert ["A"] == outcome(guarded.place, way, guarded.keys.reader, OWN)
    assert "access_denied" == outcome(guarded.place, way, guarded.keys.without_scope)


@pytest.mark.parametrize(("expired", "good"), [(29, True), (31, False)])
def test_the_leeway_is_30_seconds(guarded: Guarded, expired: int, *, good: bool) -> None:
    def asked_in_time() -> bool:
        now = time.time()
        answer = guarded.place.rest("/v1/models", sign(member() | {"exp": int(now) - expired}))
        # A token that is 29 seconds old is 30 when the machine is slow: then once more.
        assert good or answer.status == 401
        return time.time() < int(now) + 1 and answer.status == (200 if good else 401)

    wait_until(asked_in_time, "the answer comes within the second")


def test_a_token_of_64_kb_is_refused_before_the_server_or_by_it(guarded: Guarded) -> None:
    token = sign(member() | {"more": "a" * 48_000})

    assert "invalid_token" == outcome(guarded.place, "gRPC", token)
    answer = guarded.place.rest("/v1/models", token)
    assert (431, "request_too_large") == (answer.status, answer.json["error"]["code"])
    assert "request_too_large" == outcome(guarded.place, "gRPC through Envoy", token)


def test_no_token_may_name_an_organization(guarded: Guarded) -> None:
    for claims in (member(), machine(scope="models:read models:read_any")):
        metadata = (*bearer(sign(claims)), ("x-modelservice-organization", "acme"))
        assert "ACCESS_DENIED" == details(call(guarded.place.grpc, LIST, metadata=metadata))[1].reason


def test_a_client_is_added_and_removed_within_a_second(guarded: Guarded) -> None:
    token = sign(machine("m2m-client-test-new"))
    assert "model_not_found" == outcome(guarded.place, "REST", token, OWN)

    add_client(guarded.place.database_url, "test", "m2m-client-test-new", "acme")
    wait_until(lambda: outcome(guarded.place, "REST", token, OWN) == ["A"], "it is added")
    remove_client(guarded.place.database_url, "test", "m2m-client-test-new")
    wait_until(lambda: outcome(guarded.place, "REST", token, OWN) == "model_not_found", "it is removed")


def test_the_openai_sdk_comes_with_a_token(guarded: Guarded) -> None:
    with OpenAI(base_url=f"http://{guarded.place.http}/v1", api_key=sign(member())) as client:
        assert OWN in [model.id for model in client.models.list()]


def test_the_log_says_who_and_why_and_repeats_no_token(guarded: Guarded) -> None:
    tokens = {"who": sign(member()), "why": sign(member() | later(-500, exp=0))}
    for request_id, token in tokens.items():
        guarded.place.rest("/v1/models", token, headers={"x-request-id": request_id})

    def line(request_id: str) -> dict[str, Any]:
        lines = [json.loads(text) for text in guarded.process.log.splitlines() if f'"{request_id}"' in text]
        return next(item for item in lines if item["message"] == "call")

    wait_until(lambda: all(f'"{name}", "organization"' in guarded.process.log for name in tokens), "it is logged")
    assert (member()["sub"], "acme", None) == tuple(line("who")[name] for name in ("subject", "organization", "key_id"))
    assert ("invalid_token", "expired", None) == tuple(line("why")[name] for name in ("code", "reason", "subject"))
    for token in tokens.values():
        for part in token.split("."):
            assert part not in guarded.process.log


def test_a_new_key_of_the_issuer_is_picked_up(guarded: Guarded) -> None:
    guarded.issuer.keys = [public("key-1"), public("key-2")]

    wait_until(lambda: outcome(guarded.place, "gRPC", sign(member(), "key-2"), OWN) == ["A"], "the new key is known")
    assert ["A"] == outcome(guarded.place, "gRPC", sign(member(), "key-1"), OWN)
