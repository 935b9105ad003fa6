"""HEAD: the same headers as GET and no body, on every path, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import json

import pytest

from tests.support.harness import Response, wait_until
from tests.support.http2_client import exchange
from tests.support.service import Service, Services

PATHS = {
    "/v1/models": 200,
    "/v1/models/gpt-4o": 200,
    "/openai/v1/models": 200,
    "/openai/v1/models/gpt-4o": 200,
    "/v1/models/none": 404,
    "/openai/v1/models/none": 404,
    "/v1/models?page_size=many": 400,
    "/nowhere": 404,
    "/healthz": 200,
    "/readyz": 200,
    "/openapi.json": 200,
}
# Differ from one response to the next.
CHANGING = ("date", "x-request-id")


@pytest.fixture(scope="module")
def hot(services: Services) -> Service:
    return services.of(MODELSERVICE_EDGE_CACHE_TTL="1")


def ask(service: Service, method: str, path: str, version: str, headers: dict[str, str]) -> Response:
    headers = {"authorization": f"Bearer {service.keys.reader}"} | headers
    if version == "HTTP/1.1":
        return service.place.rest(path, method=method, headers=headers)
    found = exchange(service.place.http_port, path, method=method, headers=headers)
    assert found.trailers is None
    return Response(found.status, found.headers, found.body)


def stable(answer: Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in CHANGING}


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{}, {"accept-encoding": "gzip"}], ids=["plain", "gzip"])
def test_head_has_the_headers_of_get_and_no_body(
    service: Service, path: str, version: str, headers: dict[str, str]
) -> None:
    get, head = (ask(service, method, path, version, headers) for method in ("GET", "HEAD"))

    assert (PATHS[path], PATHS[path], b"") == (get.status, head.status, head.body)
    assert stable(get) == stable(head)


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_a_hot_answer_has_no_body_either(hot: Service, version: str) -> None:
    path = "/v1/models/gpt-4o"

    def is_cached() -> bool:
        answer = ask(hot, "HEAD", path, version, {"x-request-id": f"head-{version}"})
        assert (200, b"", "386") == (answer.status, answer.body, answer.headers["content-length"])
        lines = [line for line in hot.process.output.splitlines() if f'"head-{version}"' in line]
        return any(json.loads(line)["details"] == "lua_response" for line in lines)

    wait_until(is_cached, "the edge cache answers")


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_a_conditional_head_is_not_modified(service: Service, version: str) -> None:
    get, head = (ask(service, method, "/v1/models", version, {"if-none-match": "*"}) for method in ("GET", "HEAD"))

    assert (304, b"", stable(get)) == (head.status, head.body, stable(head))


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/nowhere"])
def test_the_health_listener_answers_head(service: Service, path: str) -> None:
    get, head = (service.place.rest(path, method=method, port=service.place.health_port) for method in ("GET", "HEAD"))

    assert (get.status, b"", stable(get)) == (head.status, head.body, stable(head))


def test_the_access_log_says_head(service: Service) -> None:
    for path in ("/v1/models", "/nowhere"):
        request_id = f"said-head{path.replace('/', '-')}"
        ask(service, "HEAD", path, "HTTP/1.1", {"x-request-id": request_id})
        wait_until(lambda: f'"{request_id}"' in service.process.output, "there is a line")  # noqa: B023
        (line,) = (line for line in service.process.output.splitlines() if f'"{request_id}"' in line)

        assert ("HEAD", path) == (json.loads(line)["method"], json.loads(line)["path"])
