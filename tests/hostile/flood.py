"""A flood of made-up keys from one address, and how callers with good keys fare beside it.

    python -m tests.hostile.flood

prints a table: the good callers alone, beside the flood with the default limits, and beside it without limits. The good
ones ask at a pace of their own from 127.0.0.1, the flood from 127.0.0.2; all of it on loopback, and for a few seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from modelservice.auth import api_key
from modelservice.config import SETTINGS
from modelservice.domain.principal import MODELS_READ
from modelservice.manage.keys import create_key
from tests.hostile.crowd import status_of
from tests.support.harness import DEADLINE, Place, Process, cpu, wait_until
from tests.support.service import prepare

TARGET = "/v1/models/gpt-4o"
FLOODER = "127.0.0.2"
_CONNECTIONS = 40
_GOOD_CALLERS = 4
# In seconds: between two requests of a good caller.
_GOOD_PAUSE = 0.02


def made_up_keys() -> Iterator[str]:
    """Yields keys that nobody was given, all different, each as well-formed as a real one."""
    for number in count():
        body = f"msk_{number:012}_{'0' * 32}"
        yield body + api_key._checksum(body)


def flood(
    port: int,
    credentials: Iterator[str],
    *,
    requests: int,
    target: str = TARGET,
    source: str = FLOODER,
    named: Iterator[str] | None = None,
    pace: float = 0,
) -> Counter[int]:
    """Sends so many requests, each with the next credential, and waits for their answers.

    Args:
        port: Envoy's.
        credentials: What to send.
        requests: How many to send.
        target: What to ask for.
        source: From which loopback address.
        named: For whom, as a trusted proxy would name them.
        pace: In requests a second, at most; 0: as fast as they are answered.

    Returns:
        How many answers had which status.
    """
    statuses: Counter[int] = Counter()
    connections = [Connection(port, source) for _ in range(min(_CONNECTIONS, requests))]
    begun, sent = time.monotonic(), 0
    pause = threading.Event()
    try:
        while sent < requests:
            if pace:
                pause.wait(max(0.0, begun + sent / pace - time.monotonic()))
            batch = list(zip(connections, islice(credentials, requests - sent), strict=False))
            for connection, credential in batch:
                connection.send(target, credential, next(named) if named else "")
            statuses.update(connection.status() for connection, _ in batch)
            sent += len(batch)
    finally:
        for connection in connections:
            connection.close()
    return statuses


class Connection:
    """A bare HTTP/1.1 connection: a client that costs less than what it measures."""

    def __init__(self, port: int, source: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE, (source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, target: str, credential: str, named: str = "") -> None:
        head = f"GET {target} HTTP/1.1\r\nhost: flood\r\nauthorization: Bearer {credential}\r\n"
        self._socket.sendall(f"{head}x-forwarded-for: {named}\r\n\r\n".encode() if named else f"{head}\r\n".encode())

    def status(self) -> int:
        """Waits for the whole answer, and returns its status."""
        answer = b""
        while not (status := status_of(answer)):
            received = self._socket.recv(65536)
            assert received, "Envoy closed the connection"
            answer += received
        return status

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True)
class Fared:
    """How good callers fared.

    Attributes:
        p50: The median of the time until an answer, from the moment when the request was due, in ms.
        p99: What 99 of 100 were answered within, in ms.
        answered: How many were.
        failed: How many answers were not 200.
    """

    p50: float
    p99: float
    answered: int
    failed: int


def good_callers(port: int, keys: list[str], seconds: float) -> Fared:
    """Asks at a steady pace, each caller with a key and a connection of its own."""
    times: list[float] = []
    statuses: Counter[int] = Counter()

    def ask(key: str) -> None:
        connection, pause = Connection(port, "127.0.0.1"), threading.Event()
        begun = time.monotonic()
        for number in range(int(seconds / _GOOD_PAUSE)):
            due = begun + number * _GOOD_PAUSE
            pause.wait(max(0.0, due - time.monotonic()))
            connection.send(TARGET, key)
            statuses[connection.status()] += 1
            times.append((time.monotonic() - due) * 1000)
        connection.close()

    threads = [threading.Thread(target=ask, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    percentiles = statistics.quantiles(times, n=100)
    return Fared(statistics.median(times), percentiles[98], len(times), len(times) - statuses[200])


@dataclass(frozen=True)
class Beside:
    """One row of the table.

    Attributes:
        good: How the good callers fared.
        flood: How many answers of the flood had which status.
        cpu: CPU seconds a second, by process.
    """

    good: Fared
    flood: Counter[int]
    cpu: dict[str, float]


def measure(place: Place, keys: list[str], pace: int, seconds: float) -> Beside:
    """Runs the service, the good callers, and with a pace above 0 the flood beside them."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool, Process(place, "run") as process:
        process.wait_for("ready: ")
        # The programs are loaded, and the keys known.
        wait_until(lambda: good_callers(place.http_port, keys, 0.5).failed == 0, "the keys are known")
        pool.submit(good_callers, place.http_port, keys, 0.5).result()
        before = {name: cpu(pid) for name, pid in process.children().items()}
        flooding = pool.submit(_flood, place.http_port, pace, seconds) if pace else None
        good = pool.submit(good_callers, place.http_port, keys, seconds).result()
        flooded = flooding.result() if flooding else Counter()
        after = {name: cpu(pid) for name, pid in process.children().items()}
        return Beside(good, flooded, {name: (after[name] - before[name]) / seconds for name in sorted(after)})


def _flood(port: int, pace: int, seconds: float) -> Counter[int]:
    statuses: Counter[int] = Counter()
    keys, end = made_up_keys(), time.monotonic() + seconds
    while time.monotonic() < end:
        statuses += flood(port, keys, requests=pace // 4, pace=pace)
    return statuses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each of the three takes")
    parser.add_argument("--pace", type=int, default=3000, help="of the flood, in requests a second")
    arguments = parser.parse_args()
    defaults = {setting.name: setting.default for setting in SETTINGS if setting.field.startswith("rate_per_")}
    off = dict.fromkeys(defaults, "0")
    rows = {"alone": (defaults, 0), "flood, limits": (defaults, arguments.pace), "flood, none": (off, arguments.pace)}
    sys.stdout.write(f"{'good callers':14}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}  CPU/s; the flood's answers\n")
    for label, (settings, pace) in rows.items():
        with tempfile.TemporaryDirectory() as folder:
            place = Place(Path(folder), dict(settings))
            prepare(place)
            made = [create_key(place.database_url, "test", "acme", scopes={MODELS_READ}) for _ in range(_GOOD_CALLERS)]
            row = measure(place, [key.text for key in made], pace, arguments.seconds)
        used = ", ".join(f"{name} {seconds:.2f}" for name, seconds in row.cpu.items())
        good = row.good
        figures = f"{good.p50:9.1f}{good.p99:9.1f}{good.failed:8}"
        sys.stdout.write(f"{label:14}{figures}  {used}; {dict(row.flood)}\n")


if __name__ == "__main__":
    main()
