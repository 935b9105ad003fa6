"""Whether large lists harm others: one caller's gets, alone and while another fetches a long list again and again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmark.checking import check
from tests.benchmark.measuring import Loader, Request
from tests.benchmark.payloads import Payloads
from tests.benchmark.rows import GET, LONG, Protocol, Row
from tests.benchmark.servers import Running

MODELS = 4_500
# Each caller has one connection: what is looked for is one that waits for the other.
_CONNECTIONS = 1


@dataclass(frozen=True)
class Pair:
    """Two callers of one server.

    Attributes:
        label: What tables call it.
        server: Which server.
        protocol: How both ask.
        gzip: Whether the one who lists accepts gzip.
    """

    label: str
    server: str
    protocol: Protocol
    gzip: bool = False


PAIRS = (
    Pair("REST", "hot", "REST"),
    Pair("REST, list in gzip", "hot", "REST", gzip=True),
    Pair("REST, cold", "cold", "REST"),
    Pair("REST, cold, list in gzip", "cold", "REST", gzip=True),
    Pair("gRPC", "grpc", "gRPC"),
)


@dataclass(frozen=True)
class Beside:
    """One measurement of a pair.

    Attributes:
        alone: The p99 of a get, in ms, while nobody lists.
        beside: While another lists.
        lists: How many lists that one got, a second.
    """

    alone: float
    beside: float
    lists: float


class Neighbours:
    """Both callers, once their answers were checked."""

    def __init__(self, pair: Pair, running: Mapping[str, Running], payloads: Payloads, folder: Path) -> None:
        row = Row("", pair.label, pair.server, pair.protocol, gzip=pair.gzip)
        port = running[pair.server].port
        self._get = Request.of(replace(row, gzip=False), GET, port, payloads)
        self._list = Request.of(row, LONG, port, replace(payloads, key=payloads.other_key))
        self._lengths = (
            check(replace(row, gzip=False), GET, self._get, payloads).length,
            check(row, LONG, self._list, payloads).length,
        )
        self._folders = (folder / "get", folder / "list")
        for one in self._folders:
            one.mkdir(exist_ok=True)

    def measure(self, seconds: int) -> Beside:
        alone = self._gets(seconds)
        lists = Loader(self._list, self._folders[1], seconds + 1, _CONNECTIONS)
        with contextlib.ExitStack() as stack:
            stack.callback(lists.stop)
            beside = self._gets(seconds)
            return Beside(alone, beside, lists.wait(self._lengths[1]).throughput)

    def _gets(self, seconds: int) -> float:
        return Loader(self._get, self._folders[0], seconds, _CONNECTIONS).wait(self._lengths[0]).p99
