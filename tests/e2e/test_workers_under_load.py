"""Nobody misses a server that is restarted or killed, while 32 callers ask without a pause."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from modelservice.edge import probe
from modelservice.edge.processes import find_envoy
from tests.support.harness import DEADLINE, ENVOY, Place, Process, wait_until
from tests.support.load import Load
from tests.support.ports import listens
from tests.support.service import prepare

pytestmark = pytest.mark.slow

CLIENTS = 32
WAYS = ("REST", "gRPC through Envoy")


def load(place: Place, key: str) -> Load:
    return Load(place, lambda: (key, "all"), WAYS, CLIENTS)


def without_retries(place: Place) -> None:
    """Has Envoy started by a program that first takes retries out of its configuration."""
    program = place.folder / "envoy-without-retries"
    program.write_text(
        f"""#!{sys.executable}
import os, sys, yaml
path = sys.argv[sys.argv.index("-c") + 1]
with open(path) as file:
    configuration = yaml.safe_load(file)
manager = configuration["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
    route.get("route", {{}}).pop("retry_policy", None)
with open(path, "w") as file:
    yaml.safe_dump(configuration, file)
os.execv({find_envoy(ENVOY)!r}, ["envoy", *sys.argv[1:]])
"""
    )
    program.chmod(0o755)
    place.settings["MODELSERVICE_ENVOY_BINARY"] = str(program)


def both_are_healthy(place: Place) -> bool:
    # Asked of Envoy: the log grows by a thousand lines a second.
    return [True, True] == list(probe.health(("127.0.0.1", place.admin_port)).values())


def restart_under_load(place: Place) -> Load:
    key = prepare(place).reader
    with Process(place, "run", "--workers", "2") as process:
        process.wait_for("ready: ")
        before = process.workers()

        def restarted() -> bool:
            now = process.workers()
            return before.keys() == now.keys() and not set(before.values()) & set(now.values())

        with load(place, key) as callers:
            callers.wait_for_more(500, "all")
            process.popen.send_signal(signal.SIGHUP)
            wait_until(lambda: restarted() and both_are_healthy(place), "both are new", 4 * DEADLINE)
            callers.wait_for_more(500, "all")
        assert 0 == process.end()
    return callers


def test_no_request_fails_while_servers_are_restarted(place: Place) -> None:
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "2.5"
    callers = restart_under_load(place)

    assert [] == callers.failures


def test_without_drain_and_retries_requests_would_fail(place: Place) -> None:
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "0"
    without_retries(place)
    callers = restart_under_load(place)

    assert callers.failures


def test_no_request_fails_when_a_server_is_killed(place: Place) -> None:
    key = prepare(place).reader
    with Process(place, "run", "--workers", "2") as process:
        process.wait_for("ready: ")
        with load(place, key) as callers:
            callers.wait_for_more(500, "all")
            os.kill(process.workers()[place.grpc_port + 1], signal.SIGKILL)
            wait_until(lambda: not listens(place.grpc_port + 1), "it is gone")
            wait_until(lambda: listens(place.grpc_port + 1) and both_are_healthy(place), "it is started again")
            callers.wait_for_more(500, "all")

    assert [] == callers.failures
