"""Sends generated REST requests, several connections at a time, pipelined, and looks at every answer."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Final

from tests.hostile.fuzz_rest import Attempt
from tests.hostile.judging import judge
from tests.hostile.meaning import World
from tests.support.harness import DEADLINE, Response

# Many, as Envoy takes a second to end one after some refusals.
CONNECTIONS: Final = 40
PIPELINED_MAX: Final = 8
# Beyond this, Envoy may end the connection while the body is still on its way, and the answer is lost with it.
LARGE: Final = 65_536


@dataclass
class Outcome:
    """What came of the requests: how many of each kind of answer, and those that are neither right nor documented."""

    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Sender:
    """Sends requests, and judges the answers.

    Args:
        port: Envoy's.
        credentials: By caller.
        world: What there is.
    """

    def __init__(self, port: int, credentials: Mapping[str, str], world: World) -> None:
        self._port = port
        self._credentials = credentials
        self._world = world
        self._lock = threading.Lock()
        self._outcome = Outcome()

    def send(self, requests: Iterator[Attempt], count: int) -> Outcome:
        """Sends so many requests."""
        left = count

        def take(most: int) -> list[Attempt]:
            nonlocal left
            with self._lock:
                taken = [next(requests) for _ in range(min(most, left))]
                left -= len(taken)
            return taken

        def work(dice: random.Random) -> None:
            while batch := take(dice.randrange(1, PIPELINED_MAX + 1)):
                self._exchange(batch)

        threads = [threading.Thread(target=work, args=(random.Random(seed),)) for seed in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._outcome

    def _exchange(self, batch: list[Attempt]) -> None:
        """Sends requests at once, and again those that were not looked at as the connection had ended before."""
        while batch:
            answered = 0
            try:
                for attempt, answer in zip(batch, self._answers(batch), strict=False):
                    self._look(attempt, answer)
                    answered += 1
            except TimeoutError:
                self._note("HANG", "no answer in time", batch[answered])
                answered += 1
            except (OSError, EOFError) as error:
                if not answered:
                    is_large = len(batch[0].body) > LARGE
                    self._note("CLOSED", "" if is_large else f"closed without an answer ({error!r})", batch[0])
                    answered = 1
            batch = batch[answered:]

    def _answers(self, batch: list[Attempt]) -> Iterator[Response]:
        data = [attempt.data(self._credentials[attempt.caller]) for attempt in batch]
        with socket.create_connection(("127.0.0.1", self._port), timeout=DEADLINE) as connection:
            # What is sent after a request that ends the connection is lost.
            sending = threading.Thread(target=_send, args=(connection, b"".join(data)))
            sending.start()
            try:
                with connection.makefile("rb") as file:
                    for attempt in batch:
                        answer = received(file, attempt.method)
                        yield answer
                        if answer.headers.get("connection") == "close":
                            return
            finally:
                _shut(connection)
                sending.join()

    def _look(self, attempt: Attempt, answer: Response) -> None:
        try:
            self._note(judge(attempt, answer, self._world), "", attempt)
        except (AssertionError, ValueError, KeyError) as error:
            self._note("WRONG", f"{error!r}: {answer}", attempt)

    def _note(self, code: str, problem: str, attempt: Attempt) -> None:
        with self._lock:
            self._outcome.codes[code] += 1
            if problem:
                self._outcome.wrong.append(f"{problem[:600]}\n{str(attempt)[:900]}")


def _send(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except OSError:
        # Ended by Envoy, or by who reads.
        return


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def received(file: BufferedReader, method: str) -> Response:
    """Returns the next answer, but those that say "go on".

    Raises:
        EOFError: The connection has ended.
    """
    while True:
        status = int(_line(file).split()[1])
        headers: dict[str, str] = {}
        while line := _line(file):
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name] = value
        if status >= 200:
            return Response(status, headers, b"" if method == "HEAD" or status == 304 else _body(file, headers))


def _line(file: BufferedReader) -> bytes:
    line = file.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError
    return line[:-2]


def _body(file: BufferedReader, headers: Mapping[str, str]) -> bytes:
    if "transfer-encoding" not in headers:
        return _read(file, int(headers["content-length"]))
    body = b""
    while length := int(_line(file), 16):
        body += _read(file, length)
        _line(file)
    while _line(file):
        pass
    return body


def _read(file: BufferedReader, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return data


def answer(one: socket.socket) -> bytes:
    """Returns all that comes until the end of a connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := one.recv(65536):
            received += data
    return received
