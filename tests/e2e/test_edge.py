"""Envoy by itself: what it says when nobody is behind it, and the configuration for an Envoy anywhere."""

from __future__ import annotations

import os
import re
import signal
import stat
from pathlib import Path

import grpc
import pytest
import yaml

from modelservice.config import load
from modelservice.edge.configuration import Edge, write_configuration
from tests.support.calls import GET, LIST, bearer, call, unknown_model
from tests.support.envoy import UNAVAILABLE, envoy
from tests.support.harness import ROOT, Place, Process, administration, suspend, wait_until
from tests.support.service import prepare

TIMEOUT = {"error": {"type": "api_error", "message": "Deadline exceeded", "code": "timeout"}}


def test_without_a_server_everything_says_unavailable(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = place.folder / "edge"
    printed = place.command("envoy-config", "--out", str(out)).stdout.strip()
    assert str(out / "envoy.yaml") == printed
    keys = prepare(place)

    # In another folder than where it was written: the configuration leads to its descriptor from anywhere.
    with envoy(place, out / "envoy.yaml", tmp_path_factory.mktemp("elsewhere")):
        assert (503, UNAVAILABLE) == (place.rest("/readyz").status, place.rest("/readyz").json)
        answer = place.rest("/v1/models", keys.reader)
        assert (503, UNAVAILABLE) == (answer.status, answer.json)
        assert 200 == place.rest("/openapi.json").status
        error = call(place.http, LIST)
        assert (grpc.StatusCode.UNAVAILABLE, "Service unavailable") == (error.code(), error.details())

        with Process(place, "serve") as server:
            wait_until(place.ready, "Envoy finds the server")
            assert 200 == place.rest("/v1/models", keys.reader).status
            assert 404 == place.rest("/v1/models/none", keys.reader).status

            # A server that hangs: the caller's deadline, then the health check.
            suspend(server.popen.pid)
            try:
                late = place.rest("/v1/models", keys.reader, headers={"grpc-timeout": "300m"})
                assert (504, TIMEOUT) == (late.status, late.json)
                error = call(place.http, GET, unknown_model(), bearer(keys.reader), timeout=0.3)
                assert grpc.StatusCode.DEADLINE_EXCEEDED == error.code()
                wait_until(lambda: not place.ready(), "Envoy turns away from a server that hangs")
                assert (503, UNAVAILABLE) == ((answer := place.rest("/v1/models", keys.reader)).status, answer.json)
            finally:
                server.popen.send_signal(signal.SIGCONT)
            wait_until(place.ready, "Envoy finds the server again")

            # A server that is gone without a word.
            os.kill(server.popen.pid, signal.SIGKILL)
            wait_until(lambda: not place.ready(), "Envoy turns away from a server that is gone")
            answer = place.rest("/v1/models", keys.reader)
            assert (503, UNAVAILABLE) == (answer.status, answer.json)


def test_the_source_works_as_it_stands(place: Place) -> None:
    # As `envoy -c envoy.yaml` in this folder, but for ports and socket, which may be in use where the tests run.
    text = (ROOT / "envoy.yaml").read_text()
    admin = place.folder / "envoy-admin.sock"
    for said, mine in (
        ("port_value: 8080", f"port_value: {place.http_port}"),
        ("port_value: 8081", f"port_value: {place.health_port}"),
        ("port_value: 50051", f"port_value: {place.grpc_port}"),
        ('path: "envoy-admin.sock"', f'path: "{admin}"'),
    ):
        text, count = re.subn(rf"{said}(?!\w)", mine, text)
        assert 1 == count
    configuration = place.folder / "envoy.yaml"
    configuration.write_text(text)
    keys = prepare(place)

    with Process(place, "serve"), envoy(place, configuration, ROOT):
        wait_until(place.ready, "Envoy finds the server")
        assert 200 == place.rest("/v1/models", keys.reader).status
        assert 200 == place.rest("/openapi.json").status
        assert "modelservice::" in administration(admin, "/clusters").body.decode()
        assert 0o600 == stat.S_IMODE(admin.stat().st_mode)


def test_upstreams_are_written_as_they_are_named(place: Place) -> None:
    def cluster(*upstreams: str) -> tuple[str, list[tuple[str, int]]]:
        out = place.folder / "out"
        arguments = [argument for upstream in upstreams for argument in ("--upstream", upstream)]
        place.command("envoy-config", "--out", str(out), "--found-at", "/etc/envoy", *arguments)
        resources = yaml.safe_load((out / "envoy.yaml").read_text())["static_resources"]
        one, _ = resources["clusters"]
        (locality,) = one["load_assignment"]["endpoints"]
        sockets = [item["endpoint"]["address"]["socket_address"] for item in locality["lb_endpoints"]]
        for name in ("descriptor.pb", "openapi.json"):
            assert f"/etc/envoy/{name}" in (out / "envoy.yaml").read_text()
        return one["type"], [(item["address"], item["port_value"]) for item in sockets]

    assert ("STATIC", [("127.0.0.1", place.grpc_port)]) == cluster()
    assert ("STATIC", [("10.0.0.1", 1), ("::1", 2)]) == cluster("10.0.0.1:1", "[::1]:2")
    assert ("STRICT_DNS", [("models.internal", 50051), ("10.0.0.2", 3)]) == cluster(
        "models.internal:50051", "10.0.0.2:3"
    )


@pytest.mark.parametrize("upstream", ["nothing", "host:0", "host:65536", "host:x", ":5", "a b:5", "[x]:5", "[:::::]:5"])
def test_an_upstream_that_is_none_is_refused(place: Place, upstream: str) -> None:
    done = place.command("envoy-config", "--out", "out", "--upstream", upstream, check=False)

    assert (2, True) == (done.returncode, "must be a host and a port" in done.stderr)
    assert not (place.folder / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(place: Place) -> None:
    (place.folder / "file").touch()
    done = place.command("envoy-config", "--out", "file/out", check=False)

    assert (1, "") == (done.returncode, done.stdout)
    assert 1 == len(done.stderr.splitlines())
    assert "cannot write" in done.stderr


def test_the_configuration_is_found_wherever_it_lies(place: Place) -> None:
    out = place.folder / 'it\'s "here" \\ ü'
    place.settings |= {"MODELSERVICE_EDGE_CACHE_TTL": "0.25", "MODELSERVICE_CLIENT_CACHE_MAX_AGE": "7"}
    place.command("envoy-config", "--out", str(out))

    with envoy(place, out / "envoy.yaml", place.folder):
        pass


@pytest.mark.parametrize(
    ("files", "connections"), [(None, 10_000), (256, 128), (2_000, 1_000), (5_000, 4_000), (1_000_000, 10_000)]
)
def test_callers_never_use_up_the_files_that_envoy_may_open(
    tmp_path: Path, files: int | None, connections: int
) -> None:
    written = write_configuration(Edge(load({}), files_max=files), tmp_path, tmp_path)

    _, monitor = yaml.safe_load(written.read_text())["overload_manager"]["resource_monitors"]
    assert connections == monitor["typed_config"]["max_active_downstream_connections"]
