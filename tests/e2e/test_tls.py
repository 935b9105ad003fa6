"""TLS: what callers of Envoy and of the gRPC port are shown, and must show, and what happens when that is renewed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.edge.probe import is_ready
from modelservice.pem_files import PemFile
from tests.support.authority import EXPIRED, Issued, link, mount, rename, replace
from tests.support.calls import bearer
from tests.support.harness import DEADLINE, Place, Process, statistic, wait_until
from tests.support.manual import page
from tests.support.metrics import value
from tests.support.service import prepare
from tests.support.tls import (
    AUTHORITY,
    CLIENT,
    NAME,
    STRANGER,
    OneConnection,
    Renew,
    connected,
    secure_channel,
    secured,
    shows,
    trusting,
)


@dataclass(frozen=True)
class Secure:
    """A running service, with TLS everywhere."""

    place: Place
    process: Process
    key: str


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    place = Place(tmp_path_factory.mktemp("tls"))
    secured(place)
    with Process(place, "run", "--demo") as process:
        process.wait_for("ready: ")
        (key,) = re.findall(r"msk_\w+", process.output)
        yield Secure(place, process, key)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_rest_is_https_over_both_protocols(secure: Secure, protocol: str) -> None:
    connection = OneConnection(secure.place.http_port, protocol)
    with contextlib.closing(connection):
        assert 200 == connection.get("/v1/models", secure.key)
        assert 200 == connection.get("/v1/models/gpt-4o", secure.key)
        assert 401 == connection.get("/v1/models", "none")
        assert 200 == connection.get("/readyz", "")


def test_what_run_says_can_be_pasted(secure: Secure) -> None:
    lines = secure.process.output.splitlines()
    (ready,) = [line for line in lines if line.startswith("ready: ")]
    assert f"ready: REST on https://{secure.place.http}/v1/models" == ready.split(",")[0]
    (curl,) = [line for line in lines if line.startswith("curl ")]

    pasted = subprocess.run(
        [*shlex.split(curl), "-s", "--cacert", str(secure.place.folder / "ca.crt")], capture_output=True, check=True
    )

    assert 10 == len(json.loads(pasted.stdout)["data"])


def test_grpc_passes_through_envoy_with_tls(secure: Secure) -> None:
    with secure_channel(secure.place.http) as one:
        assert ModelServiceStub(one).ListModels(pb.ListModelsRequest(), metadata=bearer(secure.key)).data


def test_a_caller_of_the_grpc_port_shows_a_certificate_and_a_key(secure: Secure) -> None:
    with secure_channel(secure.place.grpc, CLIENT, name=NAME) as one:
        stub = ModelServiceStub(one)
        assert stub.ListModels(pb.ListModelsRequest(), metadata=bearer(secure.key)).data
        with pytest.raises(grpc.RpcError) as refused:
            stub.ListModels(pb.ListModelsRequest())

    assert grpc.StatusCode.UNAUTHENTICATED == refused.value.code()


@pytest.mark.parametrize(
    ("client", "logged"),
    [
        (None, "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        (STRANGER.issue("a caller"), "CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate"),
        (AUTHORITY.issue("a caller", shifted=EXPIRED), "CERTIFICATE_VERIFY_FAILED: certificate has expired"),
    ],
    ids=["no certificate", "another authority's", "an expired one"],
)
def test_without_a_good_certificate_nobody_reaches_the_grpc_port(
    secure: Secure, client: Issued | None, logged: str
) -> None:
    before = secure.process.log.count(logged)
    with secure_channel(secure.place.grpc, client, name=NAME) as one, pytest.raises(grpc.RpcError) as refused:
        ModelServiceStub(one).ListModels(pb.ListModelsRequest(), metadata=bearer(secure.key), timeout=DEADLINE)

    assert grpc.StatusCode.UNAVAILABLE == refused.value.code()
    wait_until(lambda: secure.process.log.count(logged) > before, "the refused handshake is in the log")


def test_callers_can_tell_who_is_there(secure: Secure) -> None:
    for address, client in ((secure.place.http, None), (secure.place.grpc, CLIENT)):
        for authority, name in ((STRANGER, None), (AUTHORITY, "elsewhere.internal")):
            with secure_channel(address, client, authority, name) as one, pytest.raises(grpc.RpcError) as refused:
                ModelServiceStub(one).ListModels(pb.ListModelsRequest(), metadata=bearer(secure.key))
            assert grpc.StatusCode.UNAVAILABLE == refused.value.code()


def test_run_asks_only_an_envoy_that_shows_its_certificate(secure: Secure) -> None:
    address = ("127.0.0.1", secure.place.http_port)

    assert is_ready(address, certificate=PemFile("", secure.place.folder / "edge" / "tls.crt"))
    assert not is_ready(address, certificate=PemFile("", secure.place.folder / "server" / "tls.crt"))
    assert not is_ready(address, certificate=PemFile("", secure.place.folder / "none"))
    assert not is_ready(address)


@pytest.mark.parametrize("port", ["http_port", "grpc_port"])
def test_tls_1_1_is_refused(secure: Secure, port: str) -> None:
    context = trusting()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Python and OpenSSL would not try it by themselves.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    before = secure.process.log.count("UNSUPPORTED_PROTOCOL")

    with connected(getattr(secure.place, port)) as plain, pytest.raises(OSError, match=r"alert protocol version|EOF"):
        context.wrap_socket(plain)

    wait_until(lambda: secure.process.log.count("UNSUPPORTED_PROTOCOL") > before, "it is in the log")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_tls_1_2_and_1_3_are_taken(secure: Secure, version: str) -> None:
    context = trusting()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]

    with connected(secure.place.http_port) as plain, context.wrap_socket(plain, server_hostname="localhost") as one:
        assert version == one.version()


@pytest.mark.parametrize("port", ["http_port", "grpc_port"])
def test_plain_text_gets_no_answer(secure: Secure, port: str) -> None:
    before = secure.process.log.count("HTTP_REQUEST")

    with connected(getattr(secure.place, port)) as plain:
        plain.sendall(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        received = b"".join(iter(lambda: plain.recv(4096), b""))

    assert b"HTTP/" not in received
    wait_until(lambda: secure.process.log.count("HTTP_REQUEST") > before, "it is in the log")


def test_a_handshake_that_envoy_refuses_is_a_line_with_its_reason_and_its_peer(secure: Secure) -> None:
    with connected(secure.place.http_port) as plain:
        peer = plain.getsockname()[1]
        plain.sendall(b"no greeting of TLS\r\n\r\n")
        plain.recv(4096)

    def line() -> dict[str, str] | None:
        lines = [json.loads(line) for line in secure.process.log.splitlines() if "handshake refused" in line]
        return next((line for line in lines if line["peer"] == f"127.0.0.1:{peer}"), None)

    wait_until(line, "the line")
    assert {"time", "message", "reason", "peer"} == (line() or {}).keys()


def test_refused_handshakes_have_a_budget_of_lines(place: Place) -> None:
    secured(place)
    place.settings["MODELSERVICE_LOG_CALLS_PER_SECOND"] = "1"
    with Process(place, "run", "--demo") as process:
        process.wait_for("ready: ")
        denied = r"access_log\.process_ratelimit\.denied"
        before = statistic(place, denied)

        def again() -> bool:
            with connected(place.http_port) as plain:
                plain.sendall(b"no greeting of TLS\r\n\r\n")
                plain.recv(4096)
            return statistic(place, denied) > before

        wait_until(again, "a line is left out, and counted")


def test_when_the_certificates_end_can_be_watched(secure: Secure) -> None:
    end = x509.load_pem_x509_certificate((secure.place.folder / "server" / "tls.crt").read_bytes()).not_valid_after_utc
    days = r"server\.days_until_first_cert_expiring"

    assert end.timestamp() == value(secure.place, "modelservice_certificate_expiry_timestamp_seconds")
    assert 1 <= statistic(secure.place, days) <= (end - datetime.now(UTC)).days


def test_a_request_over_tls_is_one_line_of_the_access_log_and_a_good_handshake_none(secure: Secure) -> None:
    connection = OneConnection(secure.place.http_port, "http/1.1")
    with contextlib.closing(connection):
        assert 404 == connection.get("/v1/models/the-one-over-tls", secure.key)
    wait_until(lambda: '"path":"/v1/models/the-one-over-tls"' in secure.process.log, "the line")

    lines = [json.loads(line) for line in secure.process.log.splitlines() if "handshake refused" in line]
    assert all(line["reason"] for line in lines)


def test_no_key_is_in_a_log_or_in_what_is_written_for_envoy(secure: Secure) -> None:
    place = secure.place
    out = place.folder / "out"
    written = place.command("envoy-config", "--out", str(out)).stdout
    written += place.command("config").stdout + place.command("config", "--json").stdout
    written += "".join(file.read_text(errors="replace") for file in out.iterdir())
    written += secure.process.log

    assert str(place.folder / "edge" / "tls.key") in written
    for folder in ("edge", "server", "client"):
        key = (place.folder / folder / "tls.key").read_text().splitlines()[1:-1]
        assert [] == [line for line in key if line in written]
    assert "BEGIN" not in written


def link_and_tell(folder: Path, issued: Issued) -> tuple[Path, Path]:
    """Renews as certbot does, with the hook of docs/deployment.md."""
    files = link(folder, issued)
    (hook,) = re.findall(r"--deploy-hook '(.*?)'", page("deployment.md"))
    subprocess.run(["sh", "-c", hook], env={"RENEWED_LINEAGE": str(folder)} | os.environ, check=True)
    return files


@pytest.mark.parametrize(
    "renew",
    [rename, mount, link_and_tell],
    ids=["each file by a rename", "all at once, as Kubernetes does", "links, as certbot does, and a hook"],
)
def test_a_certificate_is_renewed_and_no_connection_is_dropped(place: Place, renew: Renew) -> None:
    secured(place, renew=renew)
    key = prepare(place).reader
    with Process(place, "run") as process, contextlib.ExitStack() as stack:
        process.wait_for("ready: ")
        connections = [OneConnection(place.http_port, protocol) for protocol in ("http/1.1", "h2")]
        for connection in connections:
            stack.enter_context(contextlib.closing(connection))
            assert 200 == connection.get("/v1/models", key)
        direct = stack.enter_context(secure_channel(place.grpc, CLIENT, name=NAME))
        watch = HealthStub(direct).Watch(health_pb2.HealthCheckRequest())
        assert health_pb2.HealthCheckResponse.SERVING == next(watch).status
        client = rename(place.folder / "caller", CLIENT)

        for _ in range(2):
            edge, server = AUTHORITY.issue(), AUTHORITY.issue(NAME)
            renew(place.folder / "edge", edge)
            renew(place.folder / "server", server)

            wait_until(partial(shows, edge, place.http_port), "Envoy shows the new one")
            wait_until(partial(shows, server, place.grpc_port, NAME, client), "the server shows the new one")
            for connection in connections:
                assert 200 == connection.get("/v1/models", key)
            assert ModelServiceStub(direct).ListModels(pb.ListModelsRequest(), metadata=bearer(key)).data

        # The stream that was there from the beginning has not ended.
        assert watch.is_active()
        watch.cancel()
        wait_until(lambda: 2 == process.log.count('"certificate renewed"'), "both renewals are logged")


def test_a_pair_that_cannot_be_used_changes_nothing_and_is_said_once(place: Place) -> None:
    edge, server = secured(place)
    prepare(place)
    client = rename(place.folder / "caller", CLIENT)
    said = '"certificate not renewed"'
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        # Half of a pair: where this is the first of two renames, it lasts no longer than to the second.
        new = AUTHORITY.issue(NAME)
        for folder in ("edge", "server"):
            replace(place.folder / folder / "tls.crt", new.certificate)
        process.wait_for(said)
        process.wait_for("Failed to reload certificates")
        assert shows(edge, place.http_port)
        assert shows(server, place.grpc_port, NAME, client)

        (place.folder / "server" / "tls.key").unlink()
        wait_until(lambda: process.log.count(said) == 2, "another reason is another line")
        lines = [json.loads(line) for line in process.errors.splitlines() if said in line]
        assert "MODELSERVICE_GRPC_TLS_KEY: is not the key of MODELSERVICE_GRPC_TLS_CERTIFICATE" == lines[0]["reason"]
        assert lines[1]["reason"].startswith("MODELSERVICE_GRPC_TLS_KEY: cannot read ")
        assert shows(server, place.grpc_port, NAME, client)

        later = AUTHORITY.issue("localhost", NAME)
        for folder in ("edge", "server"):
            rename(place.folder / folder, later)
        wait_until(partial(shows, later, place.http_port), "Envoy shows the good one")
        wait_until(partial(shows, later, place.grpc_port, NAME, client), "the server shows the good one")
        assert 2 == process.log.count(said)
