"""Services with many models, and Envoys with lower limits, for the attacks to run into."""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from modelservice.domain.principal import MODELS_READ
from modelservice.manage import keys, maintenance, organizations
from tests.benchmark.population import Population, fill
from tests.support.envoy import envoy
from tests.support.harness import Place, Process, Response, wait_until

# As many models as LiteLLM has: a list of 3 MB.
MODELS = 4_200


def prepare_many(place: Place) -> tuple[str, str]:
    """Makes a database with many models. Returns keys of two organizations."""
    maintenance.migrate(place.database_url)
    fill(place.database_url, Population(system=MODELS, owned=0, organizations=1, keys=0))
    for name in ("acme", "other"):
        organizations.create_organization(place.database_url, "test", name)
    first, second = (
        keys.create_key(place.database_url, "test", name, scopes={MODELS_READ}).text for name in ("acme", "other")
    )
    return first, second


@contextlib.contextmanager
def changed(place: Place, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Iterator[None]:
    """Runs a server behind an Envoy whose limits are lower: their kind is tried, not their size.

    Args:
        place: Where; its database is prepared.
        change: Changes Envoy's configuration, and the HTTP connection manager within.
    """
    place.command("envoy-config", "--out", str(place.folder / "edge"))
    path = place.folder / "edge" / "envoy.yaml"
    configuration = yaml.safe_load(path.read_text())
    listener = configuration["static_resources"]["listeners"][0]
    change(configuration, listener["filter_chains"][0]["filters"][0]["typed_config"])
    path.write_text(yaml.safe_dump(configuration))
    with Process(place, "serve") as server:
        server.wait_for('"SERVING"')
        with envoy(place, path, place.folder):
            yield


def crowded(limit: int, *, evicts: bool = True) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """Returns a change that allows so many connections.

    Args:
        limit: How many.
        evicts: Whether connections without a request still close: all as that many are approached, silent ones soon.
    """

    def change(configuration: dict[str, Any], _: dict[str, Any]) -> None:
        manager = configuration["overload_manager"]
        monitors = {one["name"].rpartition(".")[2]: one["typed_config"] for one in manager["resource_monitors"]}
        monitors["global_downstream_max_connections"]["max_active_downstream_connections"] = limit
        if not evicts:
            actions = {one["name"].rpartition(".")[2]: one for one in manager["actions"]}
            del actions["reduce_timeouts"]["triggers"][1]
            configuration["static_resources"]["listeners"][0]["listener_filters_timeout"] = "60s"

    return change


def refuses(place: Place) -> bool:
    """Says whether a new connection is ended at once."""
    with socket.create_connection(("127.0.0.1", place.http_port), timeout=1) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            return one.recv(1) == b""
    return True


def refused(place: Place, target: str, key: str) -> Response:
    """Waits until a request is refused with 429, and returns that answer: another thread may grant the next one."""
    answers: list[Response] = []

    def is_refused() -> bool:
        answers.append(place.rest(target, key))
        return answers[-1].status == 429

    wait_until(is_refused, "a request is refused")
    return answers[-1]


def p99(place: Place, target: str, key: str, times: int = 300) -> float:
    """Returns what 99 of 100 requests were answered within, in ms."""
    taken = []
    for _ in range(times):
        begun = time.monotonic()
        assert 200 == place.rest(target, key).status
        taken.append(time.monotonic() - begun)
    return 1000 * statistics.quantiles(taken, n=100)[-1]


# The fixture `many`: a service, what runs it, and keys of two organizations.
Many = tuple[Place, Process, str, str]
