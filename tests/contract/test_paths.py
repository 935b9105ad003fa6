"""Every form in which clients send a model's id, through Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.dialects.query_string import IGNORED
from modelservice.manage.system_catalogue import import_catalogue
from tests.support.harness import Place, Process
from tests.support.service import Keys, prepare

NAMES = ["openai/gpt-4o", "a/b/c", "ft:gpt-4o:acme::7p4l", "org@model", "v1.5_x-y", "models", "a/models", "x/y:z@w"]


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Keys]]:
    """A service with models of unusual names."""
    place = Place(tmp_path_factory.mktemp("paths"))
    keys = prepare(place)
    import_catalogue(
        place.database_url, "test", [{"name": name, "display_name": name, "provider": "p"} for name in NAMES]
    )
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield place, keys


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("safe", ["/:@", "/", "", ":"], ids=["raw", "colons encoded", "all encoded", "slash encoded"])
def test_a_name_arrives_in_every_spelling(named: tuple[Place, Keys], name: str, safe: str) -> None:
    place, keys = named
    answer = place.rest(f"/v1/models/{quote(name, safe=safe)}", keys.reader)

    assert (200, name) == (answer.status, answer.json["modelName"])


def test_encoding_in_lower_case_is_the_same(named: tuple[Place, Keys]) -> None:
    place, keys = named

    assert "openai/gpt-4o" == place.rest("/v1/models/openai%2fgpt-4o", keys.reader).json["modelName"]


def test_every_listed_id_can_be_fetched(named: tuple[Place, Keys]) -> None:
    place, keys = named
    listed = [model["id"] for model in place.rest("/v1/models", keys.reader).json["data"]]

    assert set(NAMES) < set(listed)
    for name in listed:
        assert name == place.rest(f"/v1/models/{name}", keys.reader).json["modelName"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/", "//v1//models//", "/v1/models/.", "/v1/./models"])
def test_these_are_the_list(named: tuple[Place, Keys], path: str) -> None:
    place, keys = named

    assert "list" == place.rest(path, keys.reader).json["object"]


INVALID, MISSING, UNKNOWN = (400, "invalid_request"), (404, "model_not_found"), (404, "not_found")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/models/%zz", INVALID),
        ("/v1/models/%", INVALID),
        ("/v1/models/%00", INVALID),
        ("/v1/models/%2e%2e%2fx", INVALID),
        ("/v1/models/a%2F..%2Fb", INVALID),
        ("/v1/models/a%2F%2Fb", INVALID),
        ("/v1/models/%2Fa", INVALID),
        ("/v1/models/a%20b", INVALID),
        ("/v1/models/%C3%BC", INVALID),
        ("/v1/models/%FF", INVALID),
        ("/v1/models/%22%25%5C", INVALID),
        ("/v1/models/" + "a" * 256, MISSING),
        ("/v1/models/" + "a" * 257, INVALID),
        ("/v1/models/550e8400-e29b-41d4-a716-446655440000", MISSING),
        ("/v1/models/550E8400-E29B-41D4-A716-446655440000", MISSING),
        ("/v1/models/..", UNKNOWN),
        ("/v1/models/../models2", UNKNOWN),
        ("/v1/modelsx", UNKNOWN),
        ("/v1", UNKNOWN),
        ("/", UNKNOWN),
        ("/V1/models", UNKNOWN),
        ("/modelservice.v1.ModelService/ListModels", UNKNOWN),
        ("/modelservice.rest.v1.RestService/ListModels", UNKNOWN),
    ],
)
def test_what_names_no_model_is_said_so(named: tuple[Place, Keys], path: str, expected: tuple[int, str]) -> None:
    place, keys = named
    answer = place.rest(path, keys.reader)

    assert expected == (answer.status, answer.json["error"]["code"])


def test_the_missing_models_name_is_in_the_message(named: tuple[Place, Keys]) -> None:
    place, keys = named
    answer = place.rest("/v1/models/none%3Aof%40these%2Fhere", keys.reader)

    assert "The model 'none:of@these/here' does not exist" == answer.json["error"]["message"]


ACCEPTED = ["?", "?limit=5", "?limit=5&user=x&client_version=1.2", "?&&limit", "?user=%FF", "?limit=1&limit=2"]


@pytest.mark.parametrize("query", ACCEPTED)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gpt-4o"])
def test_what_clients_send_for_nothing_is_ignored(named: tuple[Place, Keys], path: str, query: str) -> None:
    place, keys = named

    assert place.rest(path, keys.reader).body == place.rest(path + query, keys.reader).body


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("?model_id=claude-3-opus", "model_id"),
        ("?model%5Fid=claude-3-opus", "model_id"),
        ("?modelId=claude-3-opus", "modelId"),
        ("?%6d%6f%64%65%6c_id=x", "model_id"),
        ("?model_id", "model_id"),
        ("?limit=5&model_id=x", "model_id"),
        ("?nonsense", "nonsense"),
        ("?a+b=c", "a b"),
        ("?%22%5C=x", '"\\'),
        ("?%C3%BC=x", "ü"),
        ("?=x", ""),
        ("?pageSize=1", "pageSize"),
    ],
)
@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("/v1/models", ", ".join(sorted([*pb.ListModelsRequest.DESCRIPTOR.fields_by_name, *IGNORED]))),
        ("/v1/models/gpt-4o", ", ".join(IGNORED)),
    ],
)
def test_any_other_parameter_is_refused_by_name(
    named: tuple[Place, Keys], path: str, accepted: str, query: str, name: str
) -> None:
    place, keys = named
    answer = place.rest(path + query, keys.reader)

    assert {
        "error": {
            "type": "invalid_request_error",
            "message": f"Unknown query parameter: {name}. Accepted: {accepted}",
            "code": "invalid_request",
        }
    } == answer.json
    assert 400 == answer.status


@pytest.mark.parametrize(
    "headers",
    [
        {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAAQAAP__"},
        {"connection": "upgrade", "upgrade": "websocket"},
        {"x-something-bin": "!!! not base64"},
        {"grpc-timeout": "soon"},
        {"user-agent": "Ünï".encode().decode("latin-1")},
        {"te": "gzip"},
        {"accept-encoding": "gzip, br", "accept": "text/html"},
        {"x-envoy-original-path": "/v1/models?model_id=claude-3-opus"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_headers_that_mean_nothing_here_change_nothing(named: tuple[Place, Keys], headers: dict[str, str]) -> None:
    place, keys = named

    assert (
        place.rest("/v1/models/gpt-4o", keys.reader).body
        == place.rest("/v1/models/gpt-4o", keys.reader, headers=headers).body
    )


def test_a_client_cannot_tell_envoy_how_to_do_its_work(named: tuple[Place, Keys]) -> None:
    place, keys = named
    headers = {"x-envoy-upstream-rq-timeout-ms": "1", "x-envoy-max-retries": "0", "x-envoy-retry-on": "5xx"}

    # One of them would be late, if it mattered.
    statuses = {place.rest("/v1/models", keys.reader, headers=headers).status for _ in range(100)}

    assert {200} == statuses


def test_a_query_is_refused_to_nobody_who_may_not_know(named: tuple[Place, Keys]) -> None:
    place, keys = named

    assert 401 == place.rest("/v1/models?nonsense").status
    assert 403 == place.rest("/v1/models?nonsense", keys.without_scope).status
