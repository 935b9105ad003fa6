"""Debian's nginx, which speaks HTTP/1.0 to the service, and HAProxy, which checks the service's health."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.front_proxies import FrontProxy
from tests.support.harness import Place, Process, suspend, wait_until
from tests.support.service import Service, prepare

# HAProxy's own default is `OPTIONS /`.
CHECKS = ["", "GET /healthz"]


@pytest.fixture(params=[None, *CHECKS], ids=["nginx", "haproxy", "haproxy healthz"])
def front(service: Service, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FrontProxy]:
    proxy = FrontProxy(tmp_path, service.place.http, request.param)
    with proxy.running():
        if request.param is not None:
            wait_until(proxy.is_up, "HAProxy finds the service up")
        yield proxy


@pytest.mark.parametrize(
    "target", ["/v1/models", "/v1/models/openai%2Fgpt-4o", "/v1/models?owned_by=openai", "/v1/models/x"]
)
def test_the_answer_is_the_services_own(service: Service, front: FrontProxy, target: str) -> None:
    own = service.place.rest(target, service.keys.reader)
    answer = front.ask(target, service.keys.reader)

    assert (own.status, own.body) == (answer.status, answer.body)
    for name in ("content-type", "etag", "cache-control"):
        assert own.headers.get(name) == answer.headers.get(name)


def test_refusals_pass(front: FrontProxy) -> None:
    answer = front.ask("/v1/models")

    assert (401, "invalid_api_key", "Bearer") == (
        answer.status,
        answer.json["error"]["code"],
        answer.headers["www-authenticate"],
    )


@pytest.mark.parametrize("check", CHECKS, ids=["default", "healthz"])
def test_haproxy_notices_when_envoy_is_gone(place: Place, tmp_path: Path, check: str) -> None:
    prepare(place)
    proxy = FrontProxy(tmp_path, place.http, check)
    with Process(place, "run") as process, proxy.running():
        process.wait_for("ready: ")
        wait_until(proxy.is_up, "HAProxy finds the service up")
        suspend(process.children()["envoy"])
        try:
            wait_until(lambda: not proxy.is_up(), "HAProxy finds the service down")
        finally:
            os.kill(process.children()["envoy"], signal.SIGCONT)
        wait_until(proxy.is_up, "HAProxy finds the service up again")
