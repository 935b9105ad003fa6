"""`modelservice run`: from nothing to ready, and to its end."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import threading
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.manage.keys import list_keys
from tests.support.calls import bearer
from tests.support.harness import DEADLINE, Place, Process, channel, wait_until
from tests.support.service import prepare


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A child that has ended and that nobody has waited for.
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


def pasted_key(place: Place, output: str) -> str:
    """Pastes the line that makes a key into a shell, waits until the key has arrived, and returns it."""
    (line,) = [line for line in output.splitlines() if "keys create" in line]
    # The shell has no settings of its own: what is not in the line is not there.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MODELSERVICE_")}
    made = subprocess.run(line, shell=True, env=environment, cwd=place.folder, stdout=subprocess.PIPE, check=True)  # noqa: S602
    key = made.stdout.decode().strip()
    wait_until(lambda: place.rest("/v1/models", key).status != 401, "the key has arrived")
    return key


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_demo_is_ready_shows_a_key_once_and_ends_well(place: Place, number: signal.Signals) -> None:
    with Process(place, "run", "--demo") as process:
        process.wait_for("ready: ")
        # Last of all that a start prints; Envoy logs no request before.
        ready, key_line, curl = process.output.splitlines()
        assert f"ready: REST on http://{place.http}/v1/models, gRPC on {place.grpc} and {place.http}" == ready
        assert "an API key of the organization demo, shown only once:" == key_line
        # No probe is a failed request.
        assert "invalid_api_key" not in process.errors
        # The line works when pasted.
        pasted = subprocess.run([*shlex.split(curl), "-s"], capture_output=True, check=True)
        assert 10 == pasted.stdout.count(b'"object":"model"')
        (key,) = re.findall(r"msk_\w+", process.output)
        children = process.children()
        assert {"server", "envoy"} == children.keys()

        assert 0 == process.end(number)

        assert all(gone(pid) for pid in children.values())
        assert key not in process.errors
        assert "Traceback" not in process.errors
        assert '"level": "warning"' not in process.errors

    with Process(place, "run", "--demo") as again:
        again.wait_for("ready: ")
        assert "msk_" not in again.output
        assert 200 == place.rest("/v1/models", key).status
        # The line works when pasted.
        assert 200 == place.rest("/v1/models", pasted_key(place, again.output)).status


def test_without_demo_a_database_that_does_not_exist_stops_the_start(place: Place) -> None:
    done = place.command("run", check=False)

    line = f"modelservice: {place.database_url} does not exist: run `modelservice init`\n"
    assert (1, "", line) == (done.returncode, done.stdout, done.stderr)
    assert not (place.folder / "test.db").exists()


def test_without_demo_nothing_is_created_or_printed(place: Place) -> None:
    (place.folder / "test.db").touch()
    with Process(place, "run") as process:
        process.wait_for("is empty: run `modelservice migrate`")
        assert "" == process.output
        assert 503 == place.rest("/v1/models").status

        place.command("migrate")
        process.wait_for("ready: ")

    assert [] == list_keys(place.database_url)


def test_demo_puts_no_key_into_somebodys_database(place: Place) -> None:
    prepare(place)
    before = list_keys(place.database_url)
    with Process(place, "run", "--demo") as process:
        process.wait_for("ready: ")
        assert "msk_" not in process.output
        assert before == list_keys(place.database_url)
        assert 200 == place.rest("/v1/models", pasted_key(place, process.output)).status


def test_an_envoy_that_dies_ends_the_command_with_a_message(place: Place) -> None:
    prepare(place)
    # Nobody waits for a drain then.
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "300"
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        children = process.children()

        os.kill(children["envoy"], signal.SIGKILL)

        assert 1 == process.popen.wait(DEADLINE)
        assert "modelservice: envoy exited (SIGKILL)" == process.errors.splitlines()[-1]
        assert all(gone(pid) for pid in children.values())


def test_what_it_started_does_not_outlive_it(place: Place) -> None:
    prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        children = process.children()

        process.popen.kill()

        wait_until(lambda: all(gone(pid) for pid in children.values()), "the children end")


@pytest.mark.parametrize(
    ("command", "setting"),
    [
        *(("run", f"{name}_ADDRESS") for name in ("GRPC", "HTTP", "HEALTH", "ENVOY_ADMIN", "METRICS")),
        *(("serve", setting) for setting in ("GRPC_ADDRESS", "METRICS_ADDRESS")),
    ],
)
def test_a_taken_port_is_one_line_that_names_the_setting(place: Place, setting: str, command: str) -> None:
    ports = {
        "GRPC_ADDRESS": place.grpc_port,
        "HTTP_ADDRESS": place.http_port,
        "HEALTH_ADDRESS": place.health_port,
        "ENVOY_ADMIN_ADDRESS": place.admin_port,
        "METRICS_ADDRESS": place.metrics_port,
    }
    with socket.create_server(("127.0.0.1", ports[setting])):
        done = place.command(command, *(["--demo"] if command == "run" else []), check=False)

    assert (1, "") == (done.returncode, done.stdout)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"modelservice: MODELSERVICE_{setting}: cannot listen on 127.0.0.1:{ports[setting]}")
    # Found before anything was made.
    assert not (place.folder / "test.db").exists()


def test_two_on_the_same_addresses_are_not_possible(place: Place) -> None:
    prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")

        assert 1 == place.command("run", check=False).returncode
        assert 1 == place.command("serve", check=False).returncode
        assert process.popen.poll() is None


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"MODELSERVICE_ENVOY_BINARY": "/nowhere/envoy"},
            "MODELSERVICE_ENVOY_BINARY: there is no program /nowhere/envoy",
        ),
        ({"MODELSERVICE_LOG_LEVEL": "loud"}, "MODELSERVICE_LOG_LEVEL: must be debug, info, warning or error"),
        (
            {"MODELSERVICE_NOTHING": "x"},
            "MODELSERVICE_NOTHING: there is no such setting (`modelservice config` lists them)",
        ),
        (
            {"MODELSERVICE_GRPC_ADDRESS": "192.0.2.1:5", "MODELSERVICE_ALLOW_PLAINTEXT": "true"},
            "MODELSERVICE_GRPC_ADDRESS: cannot listen on 192.0.2.1:5: Cannot assign requested address",
        ),
        (
            {"MODELSERVICE_JWT_ISSUERS": "https://id.example.com"},
            "MODELSERVICE_JWT_AUDIENCE: must be set, because MODELSERVICE_JWT_ISSUERS is",
        ),
        (
            {"MODELSERVICE_STYTCH_PROJECT_ID": "project-test-1", "MODELSERVICE_JWT_JWKS": "/nowhere/jwks.json"},
            "MODELSERVICE_JWT_JWKS: the file cannot be read: No such file or directory",
        ),
        (
            {"MODELSERVICE_STYTCH_PROJECT_ID": "project-test-1", "MODELSERVICE_JWT_JWKS": "/dev/null"},
            "MODELSERVICE_JWT_JWKS: not a JSON Web Key Set",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(place: Place, settings: dict[str, str], line: str) -> None:
    place.settings |= settings
    done = place.command("run", "--demo", check=False)

    assert (1, "", [f"modelservice: {line}"]) == (done.returncode, done.stdout, done.stderr.splitlines())


def test_a_program_that_is_no_envoy_is_a_message(place: Place) -> None:
    place.settings["MODELSERVICE_ENVOY_BINARY"] = "false"
    done = place.command("run", "--demo", check=False)

    assert (1, "modelservice: envoy exited (status 1)") == (done.returncode, done.stderr.splitlines()[-1])


def test_a_drain_answers_what_is_under_way_and_a_second_signal_hurries(place: Place) -> None:
    keys = prepare(place)
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "300"
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        process.popen.terminate()
        process.wait_for('"draining"')
        # Direct callers are still answered, for as long as the drain lasts.
        with channel(place.grpc) as one:
            assert ModelServiceStub(one).ListModels(pb.ListModelsRequest(), metadata=bearer(keys.reader)).data
        assert process.popen.poll() is None

        assert 0 == process.end(signal.SIGINT)


def test_no_request_fails_until_those_who_watch_have_turned_away(place: Place) -> None:
    keys = prepare(place)
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "2.5"
    failures: list[object] = []
    turned_away, drained = threading.Event(), []

    def ask(draining: threading.Event) -> None:
        with channel(place.grpc) as one:
            stub = ModelServiceStub(one)
            while not turned_away.is_set():
                try:
                    stub.GetModel(pb.GetModelRequest(model_id="gpt-4o"), metadata=bearer(keys.reader), timeout=5)
                    drained.append(draining.is_set())
                except grpc.RpcError as error:
                    failures.append(error)
                    return

    draining = threading.Event()
    with Process(place, "serve") as process, channel(place.grpc) as one:
        process.wait_for('"SERVING"')
        watch = HealthStub(one).Watch(health_pb2.HealthCheckRequest())
        assert health_pb2.HealthCheckResponse.SERVING == next(watch).status
        threads = [threading.Thread(target=ask, args=(draining,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        process.popen.terminate()
        assert health_pb2.HealthCheckResponse.NOT_SERVING == next(watch).status
        draining.set()
        wait_until(lambda: drained.count(True) > 100, "calls go on being answered")
        turned_away.set()
        for thread in threads:
            thread.join()
        assert 0 == process.popen.wait(DEADLINE)

    assert [] == failures
