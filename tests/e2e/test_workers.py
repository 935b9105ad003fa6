"""Several servers behind one `modelservice run`: their ports and cores, and how they end and are started again."""

from __future__ import annotations

import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelservice.edge import probe
from tests.support.harness import DEADLINE, Place, Process, suspend, wait_until
from tests.support.service import prepare


def lines(process: Process, message: str) -> list[dict[str, Any]]:
    """Returns the lines of the log that say something."""
    return [json.loads(line) for line in process.errors.splitlines() if f'"message": "{message}"' in line]


def healthy(place: Place) -> set[int]:
    """Returns the ports of the servers that Envoy sends requests to."""
    health = probe.health(("127.0.0.1", place.admin_port))
    return {port for (_, port), is_healthy in health.items() if is_healthy}


def ready_metric(port: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("modelservice_ready ")))


def test_each_server_has_a_port_and_a_core_of_its_own_and_all_drain_together(place: Place) -> None:
    prepare(place)
    file = place.folder / "address"
    file.write_text(place.grpc)
    # Where the address is in a file, each server still gets its own.
    place.settings |= {"MODELSERVICE_GRPC_ADDRESS": "", "MODELSERVICE_GRPC_ADDRESS_FILE": str(file)}
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "300"
    ports = [place.grpc_port, place.grpc_port + 1]
    with Process(place, "run", "--workers", "2") as process:
        process.wait_for("ready: ")
        assert f"gRPC on {place.grpc} to {ports[1]} and {place.http}" in process.output
        assert set(ports) == healthy(place)
        assert [f"127.0.0.1:{port}" for port in ports] == sorted(
            line["address"] for line in lines(process, "listening")
        )
        # Each has its own metrics, too.
        assert [1.0, 1.0] == [ready_metric(place.metrics_port + number) for number in range(2)]
        workers = process.workers()
        cores = sorted(os.sched_getaffinity(0))
        taken = [os.sched_getaffinity(pid) for pid in workers.values()]
        assert [1, 1] == [len(one) for one in taken]
        assert min(2, len(cores)) == len(set.union(*taken))
        assert set(cores) == os.sched_getaffinity(process.children()["envoy"])
        process.popen.terminate()
        wait_until(lambda: 2 == len(lines(process, "draining")), "both drain at the same time")
        assert [] == lines(process, "stopped")
        # A second signal hurries.
        assert 0 == process.end(signal.SIGINT)
        assert 2 == len(lines(process, "stopped"))


def test_a_server_that_dies_is_started_again_later_and_later(place: Place) -> None:
    key = prepare(place).reader
    with Process(place, "run", "--workers", "2") as process:
        process.wait_for("ready: ")
        port = place.grpc_port + 1
        died = []
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            wait_until(lambda: port in process.workers(), "it is started")
            pid = process.workers()[port]
            if number is signal.SIGTERM:
                # Somebody ends a server in good order: it is started again all the same.
                wait_until(lambda: 3 == process.errors.count('"SERVING"'), "it is ready")
            os.kill(pid, number)
            died.append(pid)
            wait_until(lambda: len(died) == len(lines(process, "worker 1 exited")), process.errors)
            assert 200 == place.rest("/v1/models", key).status

        ends = lines(process, "worker 1 exited")
        assert [("SIGKILL", 0.1), ("status 0", 0.2), ("SIGKILL", 0.4)] == [
            (line["reason"], line["restart_in"]) for line in ends
        ]
        assert {(f"127.0.0.1:{port}", "warning")} == {(line["address"], line["level"]) for line in ends}
        # Envoy may not have noticed the last end yet: both healthy is not enough.
        wait_until(lambda: process.workers().get(port) not in {None, *died}, "it is started again")
        wait_until(lambda: {place.grpc_port, port} == healthy(place), "both serve again")


def test_a_setting_binds_servers_to_no_core(place: Place) -> None:
    prepare(place)
    place.settings["MODELSERVICE_PIN_WORKERS"] = "false"
    with Process(place, "run", "--workers", "2") as process:
        process.wait_for("ready: ")
        for pid in process.workers().values():
            assert os.sched_getaffinity(0) == os.sched_getaffinity(pid)


def test_a_server_reuses_the_memory_of_long_answers_unless_the_environment_says_how(place: Place) -> None:
    prepare(place)
    place.settings["MALLOC_TRIM_THRESHOLD_"] = "1000000"
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        (pid,) = process.workers().values()
        environment = Path(f"/proc/{pid}/environ").read_text().split("\0")

    expected = {"MALLOC_MMAP_THRESHOLD_=16777216", "MALLOC_TRIM_THRESHOLD_=1000000"}
    assert expected <= {*environment}


def test_a_single_server_is_started_again_on_its_core(place: Place) -> None:
    key = prepare(place).reader
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        first = process.children()["server"]
        core = os.sched_getaffinity(first)
        assert 1 == len(core)

        os.kill(first, signal.SIGKILL)
        process.wait_for('"server exited"')
        wait_until(lambda: 2 == process.errors.count('"SERVING"'), "it is ready")
        wait_until(lambda: 200 == place.rest("/v1/models", key).status, "it answers")
        second = process.children()["server"]
        assert core == os.sched_getaffinity(second)

        process.popen.send_signal(signal.SIGHUP)
        process.wait_for('"restarted"')
        assert 200 == place.rest("/v1/models", key).status
        assert 3 == len({first, second, process.children()["server"]})


@pytest.mark.slow
def test_a_restart_that_goes_wrong_leaves_the_others_alone_until_it_goes_right(place: Place) -> None:
    key = prepare(place).reader
    file = place.folder / "level"
    file.write_text("info")
    place.settings["MODELSERVICE_LOG_LEVEL_FILE"] = str(file)
    with Process(place, "run", "--workers", "2") as process:
        process.wait_for("ready: ")
        before = process.workers()
        second = place.grpc_port + 1

        file.write_text("loud")
        process.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: 3 <= len(lines(process, "worker 0 exited")), "it is tried again and again")
        assert "MODELSERVICE_LOG_LEVEL: must be" in process.errors
        assert before[second] == process.workers()[second]
        assert 200 == place.rest("/v1/models", key).status

        file.write_text("info")
        process.wait_for('"restarted"')
        assert {place.grpc_port, second} == healthy(place)
        assert before[second] != process.workers()[second]


def test_a_server_that_hangs_is_replaced_first_and_the_other_serves_on(place: Place) -> None:
    key = prepare(place).reader
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "0"
    with Process(place, "run", "--workers", "2") as process:
        process.wait_for("ready: ")
        second = place.grpc_port + 1
        hanging = process.workers()[second]
        suspend(hanging)
        wait_until(lambda: {place.grpc_port} == healthy(place), "Envoy turns away from it")

        process.popen.send_signal(signal.SIGHUP)
        process.wait_for('"worker 1 restarting"')
        assert [] == lines(process, "worker 0 restarting")
        assert 200 == place.rest("/v1/models", key).status
        # Otherwise it is killed, later.
        os.kill(hanging, signal.SIGCONT)
        process.wait_for('"worker 0 restarting"')
        assert second in healthy(place)
        # In the middle of a restart, the end is still the end.
        assert 0 == process.end()


def test_a_server_that_dies_before_all_were_ready_ends_the_command(place: Place) -> None:
    # The database is empty, so none gets ready.
    (place.folder / "test.db").touch()
    with Process(place, "run", "--workers", "2") as process:
        wait_until(lambda: 2 == process.errors.count("is empty: run"), "both wait for the database")
        os.kill(process.workers()[place.grpc_port + 1], signal.SIGKILL)

        assert 1 == process.popen.wait(DEADLINE)
        assert "modelservice: worker 1 exited (SIGKILL)" == process.errors.splitlines()[-1]


def test_a_terminal_that_goes_ends_the_command(place: Place) -> None:
    prepare(place)
    terminal, side = pty.openpty()
    command = [sys.executable, "-m", "modelservice", "run"]
    process = subprocess.Popen(
        command, env=place.environment, stdin=side, stdout=side, stderr=side, start_new_session=True
    )
    os.close(side)
    try:
        wait_until(place.ready, "it is ready")
        os.close(terminal)
        process.send_signal(signal.SIGHUP)

        assert 0 == process.wait(DEADLINE)
        assert not place.ready()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("settings", "taken", "line"),
    [
        ({}, 1, "MODELSERVICE_GRPC_ADDRESS: cannot listen on 127.0.0.1:{second}: Address already in use"),
        (
            {"MODELSERVICE_GRPC_ADDRESS": "127.0.0.1:65535"},
            None,
            "MODELSERVICE_GRPC_ADDRESS: cannot listen on 127.0.0.1:65536: the last port is 65535",
        ),
        (
            {"MODELSERVICE_HTTP_ADDRESS": "127.0.0.1:{second}"},
            None,
            "MODELSERVICE_HTTP_ADDRESS: cannot listen on 127.0.0.1:{second}: Address already in use",
        ),
    ],
    ids=["taken", "beyond the last", "given to two"],
)
def test_a_port_that_is_not_to_be_had_is_one_line(
    place: Place, settings: dict[str, str], taken: int | None, line: str
) -> None:
    second = place.grpc_port + 1
    place.settings |= {name: value.format(second=second) for name, value in settings.items()}
    with socket.create_server(("127.0.0.1", second if taken else 0)):
        done = place.command("run", "--workers", "2", "--demo", check=False)

    assert (1, "", f"modelservice: {line.format(second=second)}\n") == (done.returncode, done.stdout, done.stderr)
    assert not (place.folder / "test.db").exists()


@pytest.mark.parametrize("count", ["0", "65", "-1", "many"])
def test_there_are_1_to_64_servers(place: Place, count: str) -> None:
    done = place.command("run", "--workers", count, check=False)

    assert (2, True) == (done.returncode, "Invalid value for '--workers'" in done.stderr)
