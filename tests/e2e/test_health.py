"""The listener for health checks: what it answers, and what it says while the service comes and goes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from tests.support.harness import Place, Process, wait_until
from tests.support.service import Service, prepare
from tests.support.tls import secured

UNAVAILABLE = {"error": {"type": "api_error", "message": "Service unavailable", "code": "unavailable"}}
NOT_FOUND = {"error": {"type": "not_found_error", "message": "Unknown path", "code": "not_found"}}


@pytest.mark.parametrize("target", ["/healthz", "/readyz", "/healthz?probe=1"])
def test_health_checks_say_nothing_but_that_all_is_well(service: Service, target: str) -> None:
    answer = service.place.health(target)

    assert (200, b"", {"date", "content-length"}) == (answer.status, answer.body, set(answer.headers))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("target", ["/", "/v1/models", "/openapi.json", "/grpc.health.v1.Health/Check"])
def test_everything_else_is_not_there(service: Service, target: str, method: str) -> None:
    answer = service.place.rest(target, service.keys.reader, method=method, port=service.place.health_port)

    assert (404, NOT_FOUND) == (answer.status, answer.json)


def test_without_a_server_envoy_is_up_and_not_ready(place: Place) -> None:
    # No schema: the server waits for one.
    (place.folder / "test.db").touch()
    with Process(place, "run") as process:
        process.wait_for("is empty: run `modelservice migrate`")
        wait_until(lambda: listening(place), "Envoy listens")

        assert 200 == place.health().status
        assert (503, UNAVAILABLE) == ((ready := place.health("/readyz")).status, ready.json)


def listening(place: Place) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", place.health_port)) == 0


def test_a_service_that_drains_says_so(place: Place) -> None:
    prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        # A request that is never complete: the drain waits for it, for a while.
        with socket.create_connection(("127.0.0.1", place.http_port)) as one:
            one.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n")
            wait_until(lambda: place.health().status == 200, "all is well")
            process.popen.terminate()

            wait_until(lambda: place.health().status == 503, "it says that it drains")


def test_it_is_plain_text_beside_tls(place: Place) -> None:
    secured(place)
    prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")

        assert 200 == place.health("/readyz").status


def listeners(place: Place, **settings: str) -> dict[str, dict[str, object]]:
    """Returns where Envoy would listen with these settings, by the listener's name."""
    place.settings |= {f"MODELSERVICE_{name}": value for name, value in settings.items()}
    path = Path(place.command("envoy-config", "--out", str(place.folder / "out")).stdout.strip())
    found = yaml.safe_load(path.read_text())["static_resources"]["listeners"]
    return {listener["name"]: listener["address"]["socket_address"] for listener in found}


def test_it_can_be_switched_off(place: Place) -> None:
    assert ["edge"] == list(listeners(place, HEALTH_ADDRESS="off"))


def test_it_needs_no_certificate_on_a_network(place: Place) -> None:
    # An address for documentation, of no machine.
    found = listeners(place, HEALTH_ADDRESS="192.0.2.1:5")

    assert {"address": "192.0.2.1", "port_value": 5} == found["health"]


def test_the_address_that_stands_for_all_takes_ipv4_as_well(place: Place) -> None:
    found = listeners(place, HTTP_ADDRESS="[::]:5", HEALTH_ADDRESS="[::]:6", ALLOW_PLAINTEXT="true")

    assert {"edge": True, "health": True} == {name: address["ipv4_compat"] for name, address in found.items()}
