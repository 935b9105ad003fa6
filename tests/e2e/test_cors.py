"""Pages in browsers: those of the origins that are set may ask, and no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.envoy import envoy
from tests.support.harness import Place, Process, Response, wait_until
from tests.support.service import Service, prepare

ALLOWED, OTHER = "https://app.example.com", "https://app.example.com.evil.example"
LIST, GET = "/v1/models", "/v1/models/gpt-4o"
METHOD_NOT_ALLOWED, ACCESS_DENIED = "method_not_allowed", "access_denied"
EXPOSED = "etag, retry-after, x-request-id"


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


def preflight(service: Service, path: str, origin: str, requested: str | None = None) -> Response:
    headers = {"origin": origin, "access-control-request-method": "GET"}
    if requested is not None:
        headers["access-control-request-headers"] = requested
    return service.place.rest(path, method="OPTIONS", headers=headers)


def allows(answer: Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("path", [LIST, GET, "/v1/models/openai/gpt-4o", "/openai/v1/models", "/openapi.json", "/any"])
@pytest.mark.parametrize("origin", [ALLOWED, "http://localhost:3000"])
def test_an_origin_that_is_set_may_ask(open_: Service, path: str, origin: str) -> None:
    answer = preflight(open_, path, origin, "authorization")

    assert (200, b"") == (answer.status, answer.body)
    assert (origin, "GET, HEAD") == (
        answer.headers["access-control-allow-origin"],
        answer.headers["access-control-allow-methods"],
    )
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize("requested", ["authorization", "authorization,x-stainless-os, X-Any", ",".join(["x"] * 2000)])
def test_it_may_send_any_header(open_: Service, requested: str) -> None:
    assert requested == preflight(open_, LIST, ALLOWED, requested).headers["access-control-allow-headers"]


@pytest.mark.parametrize("requested", [None, "", 'x"y', "x: y", "<b>", "x" * 4097])
def test_only_names_of_headers_are_repeated(open_: Service, requested: str | None) -> None:
    answer = preflight(open_, LIST, ALLOWED, requested)

    assert (200, False) == (answer.status, "access-control-allow-headers" in answer.headers)


@pytest.mark.parametrize("origin", [OTHER, "null", "http://app.example.com", "https://app.example.com:444", "*"])
def test_another_may_not(open_: Service, origin: str) -> None:
    for path in (LIST, "/", "/healthz", "/nowhere"):
        answer = preflight(open_, path, origin, "authorization")
        assert (403, ACCESS_DENIED, {}) == (answer.status, answer.json["error"]["code"], allows(answer))
    assert {} == allows(open_.place.rest(LIST, open_.keys.reader, headers={"origin": origin}))


def test_what_is_kept_of_answers_names_no_origin(open_: Service) -> None:
    expected = {ALLOWED: ALLOWED, OTHER: None, "http://localhost:3000": "http://localhost:3000"}

    # Each of Envoy's threads answers by itself, soon.
    for _ in range(20):
        for origin, allowed in expected.items():
            answer = open_.place.rest(GET, open_.keys.reader, headers={"origin": origin})
            assert (200, allowed) == (answer.status, answer.headers.get("access-control-allow-origin"))
            assert "Origin" in answer.headers["vary"].split(", ")


ERRORS = {LIST: 401, "/nowhere": 404, "/openai/v1/models/none": 401, f"{LIST}?x={'x' * 40_000}": 431}


@pytest.mark.parametrize("path", ERRORS, ids=lambda path: path[:20])
def test_an_error_can_be_read_by_the_page_too(open_: Service, path: str) -> None:
    answer = open_.place.rest(path, headers={"origin": ALLOWED})

    assert (ERRORS[path], ALLOWED, EXPOSED) == (
        answer.status,
        answer.headers["access-control-allow-origin"],
        answer.headers["access-control-expose-headers"],
    )


def test_a_refusal_by_a_limit_can_be_read_too(place: Place) -> None:
    place.settings |= {"MODELSERVICE_CORS_ORIGINS": ALLOWED, "MODELSERVICE_RATE_PER_ADDRESS": "1"}
    place.command("envoy-config", "--out", str(place.folder / "edge"))

    # Nobody is behind it.
    with envoy(place, place.folder / "edge" / "envoy.yaml", place.folder):
        found: dict[int, str | None] = {}

        def are_found() -> bool:
            answer = place.rest(LIST, headers={"origin": ALLOWED})
            found[answer.status] = answer.headers.get("access-control-allow-origin")
            return len(found) > 1

        wait_until(are_found, "both refusals")
    assert {503: ALLOWED, 429: ALLOWED} == found


def test_what_is_no_preflight_is_no_method_of_it(open_: Service) -> None:
    for headers in ({}, {"origin": ALLOWED}, {"access-control-request-method": "GET"}):
        answer = open_.place.rest(LIST, method="OPTIONS", headers=headers)
        assert (405, METHOD_NOT_ALLOWED) == (answer.status, answer.json["error"]["code"])


def test_without_origins_nobody_may_ask(service: Service) -> None:
    for origin in (ALLOWED, OTHER):
        answer = preflight(service, LIST, origin)
        assert (403, ACCESS_DENIED, {}) == (answer.status, answer.json["error"]["code"], allows(answer))
        answer = service.place.rest(LIST, service.keys.reader, headers={"origin": origin})
        assert (200, {}) == (answer.status, allows(answer))
        assert "Origin" not in answer.headers["vary"]


@pytest.mark.parametrize(("path", "status"), [("/openapi.json", 200), (LIST, 401), ("/nowhere", 404)])
@pytest.mark.parametrize("origin", [ALLOWED, None])
def test_every_response_says_that_it_differs_by_origin(
    open_: Service, path: str, status: int, origin: str | None
) -> None:
    answer = open_.place.rest(path, headers={"origin": origin} if origin else {})

    assert status == answer.status
    assert ["Origin"] == [name for name in answer.headers["vary"].split(", ") if name == "Origin"]
