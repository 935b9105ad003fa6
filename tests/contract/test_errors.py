"""The table of documented errors, walked: each row provoked over REST, gRPC, and gRPC through Envoy."""

from __future__ import annotations

import json
from collections.abc import Callable

import grpc
import pytest
from google.rpc.status_pb2 import Status

from cloakrai.v1 import model_service_pb2 as pb
from modelservice import errors
from modelservice.auth import api_key
from modelservice.rest.v1.rest_service_pb2 import ErrorStatus
from modelservice.rpc.status import STATUS_CODES
from tests.support.calls import GET, LIST, Metadata, bearer, call, details, unknown_model
from tests.support.service import Service

REST_CASES = {
    errors.INVALID_API_KEY: ("/v1/models", None, 401, "Invalid API key"),
    errors.ACCESS_DENIED: ("/v1/models", "without_scope", 403, "Access to models endpoint denied"),
    errors.MODEL_NOT_FOUND: ("/v1/models/nobody%2Fnothing", "reader", 404, "The model 'nobody/nothing' does not exist"),
    errors.INVALID_REQUEST: (
        "/v1/models/%zz",
        "reader",
        400,
        "model_id: must be a UUID or a model's name: 1-256 letters, digits and . _ : @ / -",
    ),
    errors.NOT_FOUND: ("/v2/models", "reader", 404, "Unknown path"),
}


@pytest.mark.parametrize("kind", REST_CASES, ids=lambda kind: kind.code)
def test_rest_answers_with_the_documented_body(service: Service, kind: errors.RefusalKind) -> None:
    target, key, status, message = REST_CASES[kind]
    answer = service.place.rest(target, getattr(service.keys, key) if key else None)

    expected = {"error": {"type": kind.type, "message": message, "code": kind.code}}
    assert (status, json.dumps(expected, separators=(",", ":"))) == (answer.status, answer.body.decode())
    assert "application/json" == answer.headers["content-type"]
    assert ("Bearer" if status == 401 else None) == answer.headers.get("www-authenticate")
    assert not [name for name in answer.headers if name.startswith(("grpc-", "x-envoy-"))]


GRPC_CASES: dict[errors.RefusalKind, tuple[str, bytes, str | None, grpc.StatusCode, str]] = {
    errors.INVALID_API_KEY: (LIST, b"", None, grpc.StatusCode.UNAUTHENTICATED, "Invalid API key"),
    errors.ACCESS_DENIED: (
        LIST,
        b"",
        "without_scope",
        grpc.StatusCode.PERMISSION_DENIED,
        "Access to models endpoint denied",
    ),
    errors.MODEL_NOT_FOUND: (
        GET,
        unknown_model(),
        "reader",
        grpc.StatusCode.NOT_FOUND,
        "The model 'nobody/nothing' does not exist",
    ),
    errors.INVALID_REQUEST: (
        GET,
        b"\x0a\x01\xff",
        "reader",
        grpc.StatusCode.INVALID_ARGUMENT,
        "The request message cannot be decoded",
    ),
    errors.NOT_FOUND: (
        "/modelservice.v1.ModelService/Nothing",
        b"",
        "reader",
        grpc.StatusCode.UNIMPLEMENTED,
        "Unknown path",
    ),
    errors.UNKNOWN_SERVICE: (
        "/grpc.health.v1.Health/Check",
        b"\x0a\x01x",
        None,
        grpc.StatusCode.NOT_FOUND,
        "Unknown service",
    ),
}


@pytest.mark.parametrize("kind", GRPC_CASES, ids=lambda kind: kind.code)
@pytest.mark.parametrize("way", ["direct", "through Envoy"])
def test_grpc_answers_with_the_status_and_one_error_info(service: Service, kind: errors.RefusalKind, way: str) -> None:
    method, message, key, code, sentence = GRPC_CASES[kind]
    address = service.place.grpc if way == "direct" else service.place.http
    error = call(address, method, message, bearer(getattr(service.keys, key)) if key else ())

    assert (code, sentence) == (error.code(), error.details())
    status, info = details(error)
    assert (code.value[0], sentence) == (status.code, status.message)
    assert (kind.code.upper(), "modelservice") == (info.reason, info.domain)


def test_every_documented_error_is_provoked_somewhere() -> None:
    # The rest of the table: METHOD_NOT_ALLOWED and REQUEST_TOO_LARGE below; INTERNAL_ERROR, TIMEOUT and UNAVAILABLE
    # in test_boundary.py and tests/e2e; INVALID_TOKEN in test_tokens.py; RATE_LIMITED in tests/hostile.
    elsewhere = {
        errors.METHOD_NOT_ALLOWED,
        errors.REQUEST_TOO_LARGE,
        errors.RATE_LIMITED,
        errors.INTERNAL_ERROR,
        errors.TIMEOUT,
        errors.UNAVAILABLE,
        errors.INVALID_TOKEN,
        errors.RATE_LIMITED,
    }
    assert set(errors.REFUSALS) == REST_CASES.keys() | GRPC_CASES.keys() | elsewhere


def test_the_table_the_statuses_and_the_proto_name_the_same_errors() -> None:
    reasons = {value.name for value in pb.DESCRIPTOR.enum_types_by_name["ErrorReason"].values if value.number}

    assert reasons == {kind.code.upper() for kind in errors.REFUSALS}
    assert {kind for kind in errors.REFUSALS if kind != errors.METHOD_NOT_ALLOWED} == STATUS_CODES.keys()


def test_what_the_server_sends_is_read_as_googles_status() -> None:
    theirs, ours = Status.DESCRIPTOR, ErrorStatus.DESCRIPTOR
    for field in theirs.fields:
        assert (field.name, field.type) == (
            ours.fields_by_number[field.number].name,
            ours.fields_by_number[field.number].type,
        )
    assert 15 not in theirs.fields_by_number


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize(
    "path",
    [
        *("/v1/models", "/v1/models/gpt-4o", "/v1/models/a/b?x=1", "/openai/v1/models", "/openai/v1/models/gpt-4o"),
        *("/healthz", "/readyz", "/openapi.json"),
    ],
)
def test_another_method_is_not_allowed(service: Service, method: str, path: str) -> None:
    answer = service.place.rest(path, service.keys.reader, method=method)

    assert (405, "GET, HEAD") == (answer.status, answer.headers["allow"])
    expected = b'{"error":{"type":"invalid_request_error","message":"Method not allowed","code":"method_not_allowed"}}'
    assert expected == answer.body


TOO_LARGE = b'{"error":{"type":"invalid_request_error","message":"Request too large","code":"request_too_large"}}'


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/v1/models/" + "a" * 40_000, {}, None),
        ("/v1/models", {"x-long": "a" * 40_000}, None),
        ("/v1/models", {f"x-{number}": "a" for number in range(200)}, None),
        ("/v1/models", {}, b"a" * 70_000),
    ],
    ids=["address", "header", "headers", "body"],
)
def test_too_large_is_said_so(service: Service, path: str, headers: dict[str, str], body: bytes | None) -> None:
    answer = service.place.rest(path, service.keys.reader, headers=headers, body=body)

    assert (True, TOO_LARGE) == (answer.status in (413, 431), answer.body)


@pytest.mark.parametrize("way", ["direct", "through Envoy"])
def test_a_message_that_is_too_long_is_resource_exhausted(service: Service, way: str) -> None:
    address = service.place.grpc if way == "direct" else service.place.http
    error = call(address, GET, unknown_model("a" * 70_000), bearer(service.keys.reader))

    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "Request too large") == (error.code(), error.details())
    assert "REQUEST_TOO_LARGE" == details(error)[1].reason


@pytest.mark.parametrize("extra", [{"x-long": "a" * 40_000}, {f"x-{number}": "a" for number in range(120)}])
def test_headers_that_are_too_large_are_resource_exhausted_through_envoy(
    service: Service, extra: dict[str, str]
) -> None:
    error = call(service.place.http, GET, unknown_model(), (*bearer(service.keys.reader), *extra.items()))

    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "Request too large") == (error.code(), error.details())
    assert "REQUEST_TOO_LARGE" == details(error)[1].reason


def test_a_message_beyond_grpcios_own_bound_is_resource_exhausted(service: Service) -> None:
    error = call(service.place.grpc, GET, unknown_model("a" * 5_000_000), bearer(service.keys.reader))

    assert grpc.StatusCode.RESOURCE_EXHAUSTED == error.code()


@pytest.mark.parametrize("way", ["direct", "through Envoy"])
def test_a_header_of_15_kb_is_no_obstacle(service: Service, way: str) -> None:
    address = service.place.grpc if way == "direct" else service.place.http
    error = call(address, GET, unknown_model(), (*bearer(service.keys.reader), ("x-long", "a" * 15_000)))

    assert "MODEL_NOT_FOUND" == details(error)[1].reason
    assert 200 == service.place.rest("/v1/models", service.keys.reader, headers={"x-long": "a" * 15_000}).status


CREDENTIALS: dict[str, Callable[[str], Metadata]] = {
    "none": lambda _: (),
    "empty": lambda _: (("authorization", ""),),
    "no scheme": lambda key: (("authorization", key),),
    "another scheme": lambda key: (("authorization", f"Basic {key}"),),
    "two": lambda key: (("authorization", f"Bearer {key}"), ("authorization", f"Bearer {key}")),
    "no key": lambda _: (("authorization", "Bearer "),),
    "rubbish": lambda _: (("authorization", "Bearer rubbish"),),
    "a wrong checksum": lambda _: (("authorization", f"Bearer msk_{'0' * 12}_{'0' * 38}"),),
    "unknown": lambda _: (("authorization", f"Bearer {api_key.generate().text}"),),
    "last character changed": lambda key: (("authorization", f"Bearer {key[:-1]}{'0' if key[-1] != '0' else '1'}"),),
    "in lower case": lambda key: (("authorization", f"Bearer {key.lower()}"),),
    "with a tail": lambda key: (("authorization", f"Bearer {key} {key}"),),
    "a JWT": lambda _: (("authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"),),
}


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("way", ["direct", "through Envoy"])
def test_every_bad_credential_gets_one_answer(service: Service, credential: str, way: str) -> None:
    address = service.place.grpc if way == "direct" else service.place.http
    error = call(address, LIST, metadata=CREDENTIALS[credential](service.keys.reader))

    assert (grpc.StatusCode.UNAUTHENTICATED, "Invalid API key") == (error.code(), error.details())
    assert "INVALID_API_KEY" == details(error)[1].reason


@pytest.mark.parametrize("credential", [name for name in CREDENTIALS if name != "two"])
def test_every_bad_credential_gets_one_answer_over_rest(service: Service, credential: str) -> None:
    headers = {str(key): str(value) for key, value in CREDENTIALS[credential](service.keys.reader)}
    answer = service.place.rest("/v1/models/gpt-4o", headers=headers)

    assert 401 == answer.status
    assert {
        "error": {"type": "authentication_error", "message": "Invalid API key", "code": "invalid_api_key"}
    } == answer.json


def test_the_scheme_may_be_written_in_any_case(service: Service) -> None:
    headers = {"authorization": f"bearer {service.keys.reader}"}

    assert 200 == service.place.rest("/v1/models", headers=headers).status


@pytest.mark.parametrize("path", ["/nowhere", "/openapi.json", "/v1/models/%00"])
def test_who_only_begins_like_native_grpc_is_answered_in_json(service: Service, path: str) -> None:
    answer = service.place.rest(path, service.keys.reader, headers={"content-type": "application/grpc,text/xml"})

    assert (True, "application/json") == (answer.status in {400, 404}, answer.headers["content-type"])
    assert {"type", "message", "code"} == answer.json["error"].keys()
