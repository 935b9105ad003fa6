"""TLS between Envoy and the server: each finds out who the other is, or there is no answer."""

from __future__ import annotations

import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from modelservice.rpc.model_service import MODEL_SERVICE
from tests.support.authority import EXPIRED, Authority, Issued, rename, replace
from tests.support.envoy import envoy
from tests.support.harness import Place, Process, wait_until
from tests.support.service import prepare
from tests.support.tls import AUTHORITY, NAME, STRANGER, secured

UNAVAILABLE = {"error": {"type": "api_error", "message": "Service unavailable", "code": "unavailable"}}
# What only the server has; without it, these are the settings of an Envoy that runs elsewhere.
SERVERS_OWN = ("GRPC_TLS_CERTIFICATE", "GRPC_TLS_KEY", "GRPC_TLS_CLIENT_CA")
# What is between Envoy and its callers, and not the matter here.
EDGES = ("TLS_CERTIFICATE", "TLS_KEY")


def between(place: Place) -> None:
    """Turns TLS on between Envoy and the server alone."""
    secured(place)
    for name in EDGES:
        del place.settings[f"MODELSERVICE_{name}"]


def elsewhere(place: Place, **settings: str | None) -> Path:
    """Writes the configuration of an Envoy that runs elsewhere; None takes a setting away."""
    mine = {
        name: value for name, value in place.settings.items() if name.removeprefix("MODELSERVICE_") not in SERVERS_OWN
    }
    for name, value in settings.items():
        mine.pop(f"MODELSERVICE_{name}", None)
        if value is not None:
            mine[f"MODELSERVICE_{name}"] = value
    servers, place.settings = place.settings, mine
    place.command("envoy-config", "--out", str(place.folder / "out"))
    place.settings = servers
    return place.folder / "out" / "envoy.yaml"


def write_authority(place: Place, authority: Authority) -> Path:
    replace(place.folder / "envoys-ca.crt", authority.certificate)
    return place.folder / "envoys-ca.crt"


def test_run_has_several_servers_behind_tls(place: Place) -> None:
    between(place)
    key = prepare(place).reader
    with Process(place, "run", "--workers", "2") as process:
        process.wait_for("ready: ")
        assert 200 == place.rest("/v1/models", key).status
        assert 2 == process.errors.count('"tls": "mutual"')


def test_envoy_talks_to_nobody_whom_it_cannot_verify_and_takes_a_new_authority(place: Place) -> None:
    between(place)
    key = prepare(place).reader
    configuration = elsewhere(place, GRPC_TLS_CA=str(write_authority(place, STRANGER)))

    with Process(place, "serve") as server, envoy(place, configuration, place.folder):
        # The server hears why nobody comes.
        server.wait_for("ALERT_UNKNOWN_CA")
        assert 503 == place.rest("/readyz").status
        answer = place.rest("/v1/models", key)
        assert (503, UNAVAILABLE) == (answer.status, answer.json)

        # The authority's file is renewed, too.
        write_authority(place, AUTHORITY)
        wait_until(place.ready, "Envoy believes the server")
        assert 200 == place.rest("/v1/models", key).status


def test_envoy_wants_the_name_that_it_was_told(place: Place) -> None:
    between(place)
    key = prepare(place).reader
    configuration = elsewhere(place, GRPC_TLS_SERVER_NAME="other.internal")

    with Process(place, "serve") as server, envoy(place, configuration, place.folder):
        server.wait_for("Handshake failed")
        answer = place.rest("/v1/models", key)
        assert (503, UNAVAILABLE) == (answer.status, answer.json)

        # A server of that name comes in its place.
        rename(place.folder / "server", AUTHORITY.issue(NAME, "other.internal"))
        wait_until(place.ready, "Envoy believes the server")
        assert 200 == place.rest("/v1/models", key).status


def test_envoy_wants_a_certificate_that_has_not_expired(place: Place) -> None:
    between(place)
    configuration = elsewhere(place)
    health = HealthServicer()
    health.set(MODEL_SERVICE, health_pb2.HealthCheckResponse.SERVING)

    def show(issued: Issued) -> grpc.Server:
        # The service itself would not start with one that has.
        server = grpc.server(ThreadPoolExecutor(2))
        add_HealthServicer_to_server(health, server)
        server.add_secure_port(place.grpc, grpc.ssl_server_credentials([(issued.key, issued.certificate)]))
        server.start()
        return server

    with envoy(place, configuration, place.folder):
        expired = show(AUTHORITY.issue(NAME, shifted=EXPIRED))
        wait_until(lambda: stat(place, "fail_verify_error") > 0, "Envoy has looked at it")
        assert not place.ready()
        expired.stop(None).wait()
        valid = show(AUTHORITY.issue(NAME))
        wait_until(place.ready, "Envoy believes the server")
        valid.stop(None).wait()


def stat(place: Place, name: str) -> int:
    """Returns a number of Envoy's about its connections to the server."""
    with urllib.request.urlopen(f"http://127.0.0.1:{place.admin_port}/stats?filter=modelservice.ssl.{name}$") as answer:
        return int(answer.read().decode().rpartition(": ")[2])


@pytest.mark.parametrize("name", ["*.internal", "127.0.0.1", "::1", "spiffe://internal/models"])
def test_a_server_is_known_by_any_name_of_a_certificate(place: Place, name: str) -> None:
    between(place)
    prepare(place)
    rename(place.folder / "server", AUTHORITY.issue(name))
    place.settings["MODELSERVICE_GRPC_TLS_SERVER_NAME"] = name.replace("*", "models")

    with Process(place, "run") as process:
        process.wait_for("ready: ")


def test_an_envoy_without_a_certificate_is_not_let_in(place: Place) -> None:
    between(place)
    key = prepare(place).reader
    configuration = elsewhere(place, GRPC_TLS_CLIENT_CERTIFICATE=None, GRPC_TLS_CLIENT_KEY=None)

    with Process(place, "serve") as server, envoy(place, configuration, place.folder):
        server.wait_for("PEER_DID_NOT_RETURN_A_CERTIFICATE")
        answer = place.rest("/v1/models", key)
        assert (503, UNAVAILABLE) == (answer.status, answer.json)


def test_a_server_that_has_no_tls_is_not_talked_to(place: Place) -> None:
    between(place)
    key = prepare(place).reader
    configuration = elsewhere(place)
    settings, place.settings = place.settings, {}

    with Process(place, "serve") as server:
        server.wait_for('"SERVING"')
        place.settings = settings
        with envoy(place, configuration, place.folder):
            answer = place.rest("/v1/models", key)
            assert (503, UNAVAILABLE) == (answer.status, answer.json)


def test_envoys_own_certificate_is_renewed(place: Place) -> None:
    between(place)
    key = prepare(place).reader
    # The server believes another authority from now on: what Envoy shows is no good until it is renewed.
    theirs = place.folder / "clients.crt"
    theirs.write_bytes(STRANGER.certificate)
    place.settings["MODELSERVICE_GRPC_TLS_CLIENT_CA"] = str(theirs)
    with Process(place, "run") as process:
        process.wait_for("CERTIFICATE_VERIFY_FAILED")

        rename(place.folder / "client", STRANGER.issue("Envoy"))

        process.wait_for("ready: ")
        assert 200 == place.rest("/v1/models", key).status


def test_only_paths_are_written(place: Place) -> None:
    secured(place)
    configuration = elsewhere(place)

    written = {file.name: yaml.safe_load(file.read_text()) for file in configuration.parent.glob("*.yaml")}
    secrets = {"edge_certificate.yaml", "client_certificate.yaml", "server_authority.yaml"}
    assert {"envoy.yaml", "log_budget.yaml", *secrets} == written.keys()
    (secret,) = written["client_certificate.yaml"]["resources"]
    assert {
        "certificate_chain": {"filename": str(place.folder / "client" / "tls.crt")},
        "private_key": {"filename": str(place.folder / "client" / "tls.key")},
    } == secret["tls_certificate"]


def refused(place: Place, *arguments: str) -> str:
    done: subprocess.CompletedProcess[str] = place.command(*arguments, check=False)
    assert (1, "") == (done.returncode, done.stdout)
    (line,) = done.stderr.splitlines()
    return line.removeprefix("modelservice: MODELSERVICE_")


@pytest.mark.parametrize("command", ["run", "serve"])
def test_what_cannot_be_used_stops_the_start_with_one_line(place: Place, command: str) -> None:
    secured(place)
    prepare(place)
    (place.folder / "server" / "tls.key").write_bytes(AUTHORITY.issue().key)

    assert "GRPC_TLS_KEY: is not the key of MODELSERVICE_GRPC_TLS_CERTIFICATE" == refused(place, command)
    place.settings["MODELSERVICE_GRPC_TLS_CLIENT_CA"] = str(place.folder / "none")
    assert refused(place, command).startswith("GRPC_TLS_")
    del place.settings["MODELSERVICE_GRPC_TLS_KEY"]
    assert refused(place, command).startswith("GRPC_TLS_KEY: must be set, because ")


def test_envoys_files_stop_run_before_anything_is_made(place: Place) -> None:
    secured(place)
    for folder, name in (("client", "GRPC_TLS_CLIENT_KEY"), ("edge", "TLS_KEY")):
        (place.folder / folder / "tls.key").unlink()
        path = place.folder / folder / "tls.key"
        assert f"{name}: cannot read {path}: No such file or directory" == refused(place, "run", "--demo")
    assert not (place.folder / "test.db").exists()


@pytest.mark.parametrize(
    ("command", "field"), [("run", "HTTP"), ("run", "GRPC"), ("serve", "GRPC"), ("envoy-config", "HTTP")]
)
def test_plain_text_on_a_network_stops_the_start(place: Place, command: str, field: str) -> None:
    # An address for documentation, of no machine.
    place.settings[f"MODELSERVICE_{field}_ADDRESS"] = "192.0.2.1:5"
    arguments = [command, "--out", str(place.folder / "out")] if command == "envoy-config" else [command]

    line = refused(place, *arguments)

    assert line.startswith(f"{field}_ADDRESS: 192.0.2.1:5 is not loopback, and would be plain text: ")
    assert line.endswith("or MODELSERVICE_ALLOW_PLAINTEXT to true")
