"""What is measured: the rows of the comparison, and the targets between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Protocol = Literal["REST", "gRPC"]

GET, TEN, THOUSAND, LONG = "get", "list of 10", "list of 1,000", "list of 4,500"
# Which calls are measured while so many models are there.
STAGES = {10: (GET, TEN), 1_000: (THOUSAND,)}


@dataclass(frozen=True)
class Row:
    """One server, asked in one way.

    Attributes:
        name: What `--only` calls it.
        label: What tables call it.
        server: Which server: a key of `servers.SERVERS`.
        protocol: How it is asked.
        gzip: Whether the caller accepts gzip.
        own_answers: Whether its answers are of its own shape, not the service's.
    """

    name: str
    label: str
    server: str
    protocol: Protocol
    gzip: bool = False
    own_answers: bool = False


ROWS = (
    Row("hot", "modelservice", "hot", "REST"),
    Row("hot-gzip", "modelservice, gzip", "hot", "REST", gzip=True),
    Row("cold", "modelservice, cold", "cold", "REST"),
    Row("cold-gzip", "modelservice, cold, gzip", "cold", "REST", gzip=True),
    Row("workers", "modelservice, cold, 2 workers", "workers", "REST"),
    Row("plain", "plain build: grpc.aio, Envoy's transcoder", "plain", "REST"),
    Row("fastapi", "FastAPI, pydantic", "fastapi", "REST"),
    Row("fastapi-sqlalchemy", "FastAPI, SQLAlchemy, Postgres", "fastapi-sqlalchemy", "REST"),
    Row("fastapi-held", "FastAPI, pydantic, models kept", "fastapi-held", "REST"),
    Row("fastapi-ready", "FastAPI, ready bytes", "fastapi-ready", "REST"),
    Row("asgi", "ASGI on uvicorn, ready bytes", "asgi", "REST"),
    Row("litellm", "LiteLLM proxy (answers of its own)", "litellm", "REST", own_answers=True),
    Row("go-gateway", "Go grpc-gateway, in one process", "go-gateway", "REST"),
    Row("go-gateway-dial", "Go grpc-gateway, dialling its server", "go-gateway-dial", "REST"),
    Row("go-ready", "Go net/http, ready bytes", "go-ready", "REST"),
    Row("constant", "Envoy, a constant", "constant", "REST"),
    Row("grpc", "modelservice, on one core", "grpc", "gRPC"),
    Row("grpc-serve", "modelservice serve, on any core", "grpc-serve", "gRPC"),
    Row("grpc-echo-core", "grpcio, synchronous, ready bytes, on one core", "grpc-echo-core", "gRPC"),
    Row("grpc-echo", "grpcio, synchronous, ready bytes", "grpc-echo", "gRPC"),
    Row("grpc-echo-listener", "the same with grpcio's event_engine_listener", "grpc-echo-listener", "gRPC"),
    Row("grpc-aio", "grpc.aio, messages built", "grpc-aio", "gRPC"),
    Row("grpc-aio-ready", "grpc.aio on uvloop, ready bytes", "grpc-aio-ready", "gRPC"),
    Row("grpclib", "grpclib on uvloop, messages built", "grpclib", "gRPC"),
    Row("go-grpc", "Go grpc-go, messages serialized", "go-grpc", "gRPC"),
)
# What needs neither another environment nor another toolchain.
SMALL = ("hot", "constant", "grpc")


@dataclass(frozen=True)
class Target:
    """One figure of a row over one of another, and what it should be. The table says whether it is.

    Attributes:
        row: The row above.
        call: Its call.
        other: The row below.
        other_call: Its call.
        limit: What the ratio should be at most; at least, of throughput.
        figure: Which figure.
    """

    row: str
    call: str
    other: str
    other_call: str
    limit: float
    figure: Literal["CPU", "throughput"] = "CPU"

    def met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.figure == "throughput" else ratio <= self.limit


def _each_call(row: str, other: str, limits: tuple[float, float, float]) -> list[Target]:
    return [Target(row, call, other, call, limit) for call, limit in zip((GET, TEN, THOUSAND), limits, strict=True)]


TARGETS = (
    *_each_call("hot", "fastapi", (0.32, 0.27, 0.025)),
    *_each_call("hot", "go-gateway", (1.15, 0.30, 0.036)),
    *_each_call("hot", "constant", (2, 2, 2)),
    *_each_call("cold", "fastapi", (1.6, 1.35, 0.12)),
    # As both come.
    Target("grpc", GET, "grpc-echo", GET, 1.35),
    # Like with like: no slower than before 0.2.0.
    *_each_call("grpc", "grpc-echo-core", (1.38, 1.16, 1.23)),
    Target("grpc-serve", GET, "grpc-echo", GET, 1.37),
    Target("grpc", THOUSAND, "grpc", GET, 2),
    Target("workers", GET, "cold", GET, 1.6, "throughput"),
    Target("workers", TEN, "cold", TEN, 1.6, "throughput"),
)
# Of the p99 of a get beside a large list over that of a get alone.
NEIGHBOUR_LIMIT = 3.0
