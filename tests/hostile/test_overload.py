"""Five times what may be under way: what is too much is refused at once, the rest is answered, and then all is well."""

from __future__ import annotations

import socket
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator

import h2.config
import h2.connection
import h2.events
import pytest
import yaml

from tests.conftest import Service, running
from tests.harness import DEADLINE, ROOT, Place, memory, wait_until

MODEL = "/v1/models/gpt-4o"
_STREAMS = 100


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("overload")) as one:
        yield one


def at_a_time() -> int:
    """Returns how many requests one server may have under way, as Envoy says."""
    cluster = yaml.safe_load((ROOT / "envoy.yaml").read_text())["static_resources"]["clusters"][0]
    found: int = cluster["circuit_breakers"]["thresholds"][0]["max_requests"]
    return found


class Crowd:
    """Callers who all ask at the same moment, on streams of HTTP/2.

    Attributes:
        statuses: How many answers had which status.
        taken: How long those took that were granted, in seconds.
    """

    def __init__(self, place: Place, key: str) -> None:
        self._place = place
        self._key = key
        self.statuses: Counter[int] = Counter()
        self.taken: list[float] = []

    def ask(self, times: int) -> None:
        """Asks so many times at once, and waits for all answers."""
        address = ("127.0.0.1", self._place.http_port)
        sockets = [socket.create_connection(address, DEADLINE) for _ in range(0, times, _STREAMS)]
        connections = [self._streams() for _ in sockets]
        begun = time.monotonic()
        for one, connection in zip(sockets, connections, strict=True):
            one.sendall(connection.data_to_send())
        for one, connection in zip(sockets, connections, strict=True):
            self._read(one, connection, begun)
            one.close()

    def _streams(self) -> h2.connection.H2Connection:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        connection.initiate_connection()
        headers = [(":method", "GET"), (":scheme", "http"), (":path", MODEL), (":authority", "x")]
        for _ in range(_STREAMS):
            stream = connection.get_next_available_stream_id()
            connection.send_headers(stream, [*headers, ("authorization", f"Bearer {self._key}")], end_stream=True)
        return connection

    def _read(self, one: socket.socket, connection: h2.connection.H2Connection, begun: float) -> None:
        granted, ended = set(), 0
        while ended < _STREAMS:
            for event in connection.receive_data(one.recv(1 << 16)):
                if isinstance(event, h2.events.ResponseReceived):
                    status = int(dict(event.headers)[b":status"])
                    self.statuses[status] += 1
                    if status == 200:
                        granted.add(event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    ended += 1
                    if event.stream_id in granted:
                        self.taken.append(time.monotonic() - begun)
            one.sendall(connection.data_to_send())


def overload(own: Service, rounds: int, tell: Callable[[str], None]) -> None:
    place, key = own.place, own.keys.reader
    wait_until(lambda: place.rest(MODEL, key).status == 200, "the model is there")
    before = sum(memory(pid) for pid in own.process.children().values())
    crowd = Crowd(place, key)
    for _ in range(rounds):
        crowd.ask(5 * at_a_time())
    ended = time.monotonic()
    wait_until(lambda: all(place.rest(MODEL, key).status == 200 for _ in range(50)), "all is well again")
    well = time.monotonic() - ended

    assert {200, 503} == set(crowd.statuses)
    # Every answer is of one of the two kinds, and more are granted than may be under way at a time.
    assert rounds * at_a_time() <= crowd.statuses[200]
    assert sum(memory(pid) for pid in own.process.children().values()) - before < 150
    p99 = statistics.quantiles(crowd.taken, n=100)[-1]
    tell(f"{dict(crowd.statuses)}; p99 of what was granted {p99 * 1000:.0f} ms; 50 in a row after {well:.1f} s")


def test_five_times_what_may_be_under_way(own: Service, tell: Callable[[str], None]) -> None:
    overload(own, 2, tell)


@pytest.mark.hostile
def test_five_times_what_may_be_under_way_for_long(own: Service, tell: Callable[[str], None]) -> None:
    overload(own, 10, tell)
