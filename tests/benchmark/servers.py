"""How each server of the comparison is started: all on loopback, each as it would be run."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from modelservice.edge.processes import find_envoy
from tests.benchmark import golang
from tests.benchmark.constant import constant_envoy
from tests.benchmark.payloads import Payloads
from tests.benchmark.rows import Protocol
from tests.support.harness import ENVOY, ROOT, Place, Process, wait_until
from tests.support.ports import free_ports, listens
from tests.support.postgres import Cluster

POSTGRES = "18"
BENCH = Path(sys.prefix) / "bench" / "bin"
LITELLM = Path(sys.prefix) / "bench-litellm" / "bin"
# In seconds: LiteLLM takes long to start, beside others that do.
_LONG = 120.0
# Not as tests want it. Rates are limited, as they come, so far up that nobody here reaches it.
_AS_IT_COMES = {
    "MODELSERVICE_LOG_CALLS_PER_SECOND": "100",
    "MODELSERVICE_EDGE_CACHE_TTL": "1",
    "MODELSERVICE_RATE_PER_ADDRESS": "1000000",
    "MODELSERVICE_RATE_PER_CREDENTIAL": "1000000",
}
_COLD = {"MODELSERVICE_EDGE_CACHE_TTL": "0"}


class UnavailableError(Exception):
    """A server cannot be had here. The text is a sentence that says why."""


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Attributes:
        roots: The processes that it was started as. Their descendants are its, too.
        port: Where it answers.
    """

    roots: tuple[int, ...]
    port: int


Start = Callable[[Payloads, Path], AbstractContextManager[Running]]


class Program:
    """A program that is no part of this project, until its block ends."""

    def __init__(self, command: Sequence[str | Path], folder: Path, port: int, environment: Mapping[str, str]) -> None:
        self._output = folder / f"{port}.log"
        self._command = command
        mine = {name: value for name, value in os.environ.items() if not name.startswith("MODELSERVICE_")}
        with self._output.open("wb") as output:
            self.popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=mine | dict(environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self._port = port

    def __enter__(self) -> Self:
        try:
            wait_until(self._listens, lambda: f"{self._command}:\n{self._output.read_text()}", _LONG)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _listens(self) -> bool:
        assert self.popen.poll() is None, f"{self._command} has ended:\n{self._output.read_text()}"
        return listens(self._port)

    def __exit__(self, *_: object) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


@contextmanager
def run(
    payloads: Payloads,
    folder: Path,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    protocol: Protocol = "REST",
) -> Iterator[Running]:
    """Starts this service, to be asked through Envoy, or over gRPC past it."""
    place = Place(folder, {**_AS_IT_COMES, **(settings or {})})
    place.database_url = payloads.url
    with Process(place, "run", *arguments) as process:
        process.wait_for("ready: ")
        yield Running((process.popen.pid,), place.http_port if protocol == "REST" else place.grpc_port)


@contextmanager
def serve(payloads: Payloads, folder: Path) -> Iterator[Running]:
    """Starts this service's gRPC server alone."""
    place = Place(folder, dict(_AS_IT_COMES))
    place.database_url = payloads.url
    with Process(place, "serve") as process:
        process.wait_for('"SERVING"')
        yield Running((process.popen.pid,), place.grpc_port)


@contextmanager
def peer(
    payloads: Payloads, folder: Path, module: str, *, on_one_core: bool = False, **environment: str
) -> Iterator[Running]:
    """Starts a program of `tests/benchmark/peers`."""
    python = BENCH / "python"
    if not python.exists():
        raise UnavailableError(f"{BENCH.parent} is not there (`make bench` makes it)")
    (port,) = free_ports(1)
    command: list[str | Path] = [python, "-m", f"tests.benchmark.peers.{module}", *_arguments(payloads, port)]
    # Of this project, the peers know the package with the generated code alone.
    one = Program(command, folder, port, {"PYTHONPATH": str(ROOT / "src" / "cloakrai"), **environment})
    if on_one_core:
        # Before it has any other thread.
        os.sched_setaffinity(one.popen.pid, {max(os.sched_getaffinity(0))})
    with one as program:
        yield Running((program.popen.pid,), port)


@contextmanager
def sqlalchemy(payloads: Payloads, folder: Path) -> Iterator[Running]:
    """Starts the peer that has a database: what its Postgres costs is part of what it costs."""
    # Nothing is written, so that autovacuum would only add processes that end while they are measured.
    with Cluster(POSTGRES, ("autovacuum=off",)) as postgres:
        url = postgres.url("postgres")
        with peer(payloads, folder, "fastapi_sqlalchemy", DATABASE_URL=url) as server:
            yield Running((*server.roots, postgres.pid), server.port)


@contextmanager
def go_peer(payloads: Payloads, folder: Path, mode: str) -> Iterator[Running]:
    """Starts the Go program."""
    built = _go_program(folder.parents[1] / "go")
    if isinstance(built, str):
        raise UnavailableError(built)
    port, grpc_port = free_ports(2)
    command: list[str | Path] = [built, "--mode", mode, *_arguments(payloads, port)]
    if mode == "gateway-dial":
        command += ["--grpc-port", str(grpc_port)]
    with Program(command, folder, port, {}) as program:
        yield Running((program.popen.pid,), port)


@functools.cache
def _go_program(folder: Path) -> Path | str:
    return golang.build(folder)


@contextmanager
def plain(payloads: Payloads, folder: Path) -> Iterator[Running]:
    """Starts what a plain build is: messages built for each call, and Envoy's transcoder."""
    place = Place(folder, {"MODELSERVICE_REST_RENDERING": "transcoder"})
    with peer(payloads, folder, "grpc_aio") as server:
        place.command("envoy-config", "--out", str(folder), "--upstream", f"127.0.0.1:{server.port}")
        path = folder / "envoy.yaml"
        configuration = yaml.safe_load(path.read_text())
        resources = configuration["static_resources"]
        # The peer has no health service, and its errors have none of the details that the Lua filter expects.
        del resources["clusters"][0]["health_checks"]
        manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        manager["http_filters"] = [one for one in manager["http_filters"] if one["name"] != "envoy.filters.http.lua"]
        path.write_text(yaml.safe_dump(configuration))
        with envoy(path, folder, place.http_port) as edge:
            yield Running((*server.roots, *edge.roots), edge.port)


@contextmanager
def constant(payloads: Payloads, folder: Path) -> Iterator[Running]:
    """Starts an Envoy that has the answers in its configuration."""
    (port,) = free_ports(1)
    path = folder / "envoy.yaml"
    path.write_text(yaml.safe_dump(constant_envoy(payloads, port)))
    with envoy(path, folder, port) as edge:
        yield edge


@contextmanager
def envoy(configuration: Path, folder: Path, port: int) -> Iterator[Running]:
    command = [find_envoy(ENVOY), "-c", str(configuration), "--disable-hot-restart", "--log-level", "warning"]
    with Program(command, folder, port, {}) as program:
        yield Running((program.popen.pid,), port)


@contextmanager
def litellm(payloads: Payloads, folder: Path) -> Iterator[Running]:
    """Starts LiteLLM's proxy, with as many models, of which none is ever called."""
    program_path = LITELLM / "litellm"
    if not program_path.exists():
        raise UnavailableError(f"{LITELLM.parent} is not there (`make bench` makes it)")
    (port,) = free_ports(1)
    models = [
        {"model_name": f"model-{number}", "litellm_params": {"model": "openai/gpt-4o", "api_key": "none"}}
        for number in range(payloads.models)
    ]
    path = folder / "litellm.yaml"
    path.write_text(yaml.safe_dump({"model_list": models, "general_settings": {"master_key": payloads.key}}))
    command: list[str | Path] = [program_path, "--config", path, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--telemetry", "False"]
    # It fetches nothing at its start.
    with Program(command, folder, port, {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}) as program:
        yield Running((program.popen.pid,), port)


def _arguments(payloads: Payloads, port: int) -> list[str | Path]:
    return ["--port", str(port), "--data", payloads.folder, "--key", payloads.key]


# As the service itself sets it: it undoes a regression of grpcio's.
_GRPC_EXPERIMENTS = "-event_engine_listener"

SERVERS: Mapping[str, Start] = {
    "hot": run,
    "cold": functools.partial(run, settings=_COLD),
    "workers": lambda payloads, folder: run(payloads, folder, "--workers", "2", settings=_COLD),
    "plain": plain,
    "fastapi": functools.partial(peer, module="fastapi_pydantic"),
    "fastapi-sqlalchemy": sqlalchemy,
    "fastapi-held": functools.partial(peer, module="fastapi_held"),
    "fastapi-ready": functools.partial(peer, module="fastapi_ready"),
    "asgi": functools.partial(peer, module="asgi_ready"),
    "litellm": litellm,
    "go-gateway": functools.partial(go_peer, mode="gateway"),
    "go-gateway-dial": functools.partial(go_peer, mode="gateway-dial"),
    "go-ready": functools.partial(go_peer, mode="ready"),
    "constant": constant,
    "grpc": functools.partial(run, protocol="gRPC"),
    "grpc-serve": serve,
    "grpc-echo-core": functools.partial(peer, module="grpc_echo", on_one_core=True, GRPC_EXPERIMENTS=_GRPC_EXPERIMENTS),
    "grpc-echo": functools.partial(peer, module="grpc_echo", GRPC_EXPERIMENTS=_GRPC_EXPERIMENTS),
    "grpc-echo-listener": functools.partial(peer, module="grpc_echo"),
    "grpc-aio": functools.partial(peer, module="grpc_aio"),
    "grpc-aio-ready": functools.partial(peer, module="grpc_aio_ready"),
    "grpclib": functools.partial(peer, module="grpclib_server"),
    "go-grpc": functools.partial(go_peer, mode="grpc"),
}
