"""Envoy's administration: who reaches it, and what it does for them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from modelservice.edge import probe
from tests.support.harness import Place, Process, administration, wait_until
from tests.support.service import Service, prepare, running

SOCKET = "envoy-admin.sock"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administration's socket of a service with the default."""
    with running(tmp_path_factory.mktemp("socket"), {"MODELSERVICE_ENVOY_ADMIN_ADDRESS": ""}) as service:
        yield service.process.envoy_folder() / SOCKET


def test_nobody_but_its_user_reaches_it(socket: Path) -> None:
    assert (0o700, 0o600) == (mode(socket.parent), mode(socket))


@pytest.mark.parametrize(
    "target", ["/ready", "/stats", "/stats?filter=^server.live$", "/stats/prometheus", "/clusters?format=json"]
)
def test_it_says_how_envoy_fares(socket: Path, target: str) -> None:
    assert 200 == administration(socket, target).status


# Envoy 1.40 has more; these tell what is configured, or change what runs.
CLOSED = [
    "/",
    "/certs",
    "/config_dump",
    "/contention",
    "/cpuprofiler?enable=y",
    "/drain_listeners/",
    "/heapprofiler?enable=y",
    "/healthcheck/ok",
    "/hot_restart_version",
    "/init_dump",
    "/listeners",
    "/logging",
    "/logging?level=debug",
    "/logging?level=debug&/stats",
    "/memory",
    "/quitquitquit",
    "/reopen_logs",
    "/reset_counters",
    "/runtime_modify?a=b",
    "/server_info",
    "/stats/../config_dump",
    "/stats/recentlookups",
    "/tap",
]


@pytest.mark.parametrize("target", CLOSED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_does_nothing_else(socket: Path, target: str, method: str) -> None:
    assert 403 == administration(socket, target, method).status


@pytest.fixture
def port(service: Service) -> int:
    """The administration's port of a service that has one."""
    return service.place.admin_port


@pytest.mark.parametrize("target", CLOSED)
def test_nor_at_an_address(port: int, target: str) -> None:
    assert 403 == administration(port, target, "POST").status


def test_run_drains_envoy_through_the_socket_and_removes_it(place: Place) -> None:
    prepare(place)
    place.settings["MODELSERVICE_ENVOY_ADMIN_ADDRESS"] = ""
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        socket = process.envoy_folder() / SOCKET

        probe.drain(socket)
        wait_until(lambda: place.rest("/healthz").status == 503, "Envoy says that it drains")
        assert 0 == process.end()
    assert not socket.parent.exists()


def test_the_socket_lies_where_envoy_finds_its_configuration(place: Place) -> None:
    place.settings["MODELSERVICE_ENVOY_ADMIN_ADDRESS"] = ""
    place.command("envoy-config", "--out", "out", "--found-at", "/etc/envoy")
    written = yaml.safe_load((place.folder / "out" / "envoy.yaml").read_text())

    expected = {"pipe": {"path": f"/etc/envoy/{SOCKET}", "mode": 0o600}}
    (locality,) = written["static_resources"]["clusters"][1]["load_assignment"]["endpoints"]
    (asked,) = locality["lb_endpoints"]
    assert [expected, expected] == [written["admin"]["address"], asked["endpoint"]["address"]]
    assert 0o700 == mode(place.folder / "out")


def test_a_path_that_is_too_long_for_a_socket_is_one_line(place: Place) -> None:
    prepare(place)
    place.settings["MODELSERVICE_ENVOY_ADMIN_ADDRESS"] = ""
    folder = place.folder / ("x" * 100)
    folder.mkdir()

    # As TMPDIR, which is not a setting of the service.
    place.settings["TMPDIR"] = str(folder)
    for arguments in (("envoy-config", "--out", f"{folder}/edge"), ("run",)):
        done = place.command(*arguments, check=False)

        assert (1, "") == (done.returncode, done.stdout)
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"modelservice: {folder}/")
        assert line.endswith(
            f"/{SOCKET}: too long for a Unix socket: at most 103 bytes (use a shorter folder, or set "
            "MODELSERVICE_ENVOY_ADMIN_ADDRESS)"
        )
        assert not list(folder.iterdir())


def test_an_address_beyond_loopback_is_one_line(place: Place) -> None:
    place.settings["MODELSERVICE_ENVOY_ADMIN_ADDRESS"] = "0.0.0.0:9901"
    done = place.command("run", check=False)

    (line,) = done.stderr.splitlines()
    assert (1, "modelservice: MODELSERVICE_ENVOY_ADMIN_ADDRESS: must be a loopback IP address and a port") == (
        done.returncode,
        line.partition(", such as")[0],
    )
