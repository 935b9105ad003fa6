"""Pages in browsers: those of the origins that are set may ask, and no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.harness import Place, Process, Response
from tests.support.service import Service, prepare

ALLOWED, OTHER = "https://app.example.com", "https://app.example.com.evil.example"
LIST, GET = "/v1/models", "/v1/models/gpt-4o"
METHOD_NOT_ALLOWED = "method_not_allowed"


@pytest.fixture(scope="module")
def open_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {
        "MODELSERVICE_CORS_ORIGINS": f"http://localhost:3000, {ALLOWED}",
        # So that Envoy answers one origin from what another had.
        "MODELSERVICE_EDGE_CACHE_TTL": "1",
    }
    place = Place(tmp_path_factory.mktemp("cors"), settings)
    keys = prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield Service(place, process, keys)


def preflight(service: Service, path: str, origin: str) -> Response:
    headers = {"origin": origin, "access-control-request-method": "GET"}
    return service.place.rest(path, method="OPTIONS", headers=headers)


def allows(answer: Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("path", [LIST, GET, "/v1/models/openai/gpt-4o"])
@pytest.mark.parametrize("origin", [ALLOWED, "http://localhost:3000"])
def test_an_origin_that_is_set_may_ask(open_: Service, path: str, origin: str) -> None:
    answer = preflight(open_, path, origin)

    assert 200 == answer.status
    assert (origin, "GET") == (
        answer.headers["access-control-allow-origin"],
        answer.headers["access-control-allow-methods"],
    )
    assert {"authorization", "if-none-match"} <= set(answer.headers["access-control-allow-headers"].split(", "))
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", [OTHER, "null", "http://app.example.com", "https://app.example.com:444", "*"])
def test_another_may_not(open_: Service, origin: str) -> None:
    answer = preflight(open_, LIST, origin)

    assert (405, METHOD_NOT_ALLOWED, {}) == (answer.status, answer.json["error"]["code"], allows(answer))
    assert {} == allows(open_.place.rest(LIST, open_.keys.reader, headers={"origin": origin}))


def test_what_is_kept_of_answers_names_no_origin(open_: Service) -> None:
    expected = {ALLOWED: ALLOWED, OTHER: None, "http://localhost:3000": "http://localhost:3000"}

    # Each of Envoy's threads answers by itself, soon.
    for _ in range(20):
        for origin, allowed in expected.items():
            answer = open_.place.rest(GET, open_.keys.reader, headers={"origin": origin})
            assert (200, allowed) == (answer.status, answer.headers.get("access-control-allow-origin"))
            assert "Origin" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize(("path", "status"), [("/v1/models/none", 401), (LIST, 401), (GET, 401)])
def test_an_error_can_be_read_by_the_page_too(open_: Service, path: str, status: int) -> None:
    answer = open_.place.rest(path, headers={"origin": ALLOWED})

    assert (status, ALLOWED) == (answer.status, answer.headers["access-control-allow-origin"])


def test_what_is_no_preflight_is_no_method_of_it(open_: Service) -> None:
    for headers in ({}, {"origin": ALLOWED}, {"access-control-request-method": "GET"}):
        answer = open_.place.rest(LIST, method="OPTIONS", headers=headers)
        assert (405, METHOD_NOT_ALLOWED) == (answer.status, answer.json["error"]["code"])


def test_without_origins_nobody_may_ask(service: Service) -> None:
    for origin in (ALLOWED, OTHER):
        answer = preflight(service, LIST, origin)
        assert (405, {}) == (answer.status, allows(answer))
        answer = service.place.rest(LIST, service.keys.reader, headers={"origin": origin})
        assert (200, {}) == (answer.status, allows(answer))
        assert "Origin" not in answer.headers["vary"]
