"""Callers who keep to their own pace, however long answers take: a client that costs less than what it measures."""

from __future__ import annotations

import contextlib
import selectors
import socket
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.harness import DEADLINE


@dataclass
class Fared:
    """How a crowd fared.

    Attributes:
        statuses: How many answers had which status.
        taken: How long each answer of 200 took from the moment when its request was due, in seconds.
        unasked: How many requests were due when no connection was free: all were waiting for answers.
        seconds: How long the crowd was asking.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    taken: list[float] = field(default_factory=list)
    unasked: int = 0
    seconds: float = 0

    @property
    def rate(self) -> float:
        """How many were granted, a second."""
        return self.statuses[200] / self.seconds

    @property
    def p99(self) -> float:
        """What 99 of 100 that were granted were answered within, in seconds."""
        return statistics.quantiles(self.taken, n=100)[-1]


class Crowd:
    """Many connections that all ask for the same.

    Args:
        port: Envoy's.
        request: What is asked: a request of HTTP/1.1 without a body, whose answer is short.
        connections: How many.
    """

    def __init__(self, port: int, request: bytes, connections: int) -> None:
        self._port = port
        self._request = request
        # Opened when they are needed: Envoy closes one on which nothing is asked for seconds.
        self._unopened = connections
        self._selector = selectors.DefaultSelector()
        self._idle: list[socket.socket] = []
        # When its request was due, and what has arrived of the answer.
        self._waiting: dict[socket.socket, tuple[float, bytes]] = {}

    def close(self) -> None:
        for one in (*self._idle, *self._waiting):
            one.close()
        self._selector.close()

    def ask(self, seconds: float, rate: float = 0) -> Fared:
        """Asks for so long, and waits for all answers.

        Args:
            seconds: How long.
            rate: How many requests are due a second; 0: each as soon as a connection is free.
        """
        fared, begun, asked = Fared(), time.monotonic(), 0
        while (now := time.monotonic()) < begun + seconds:
            due = int((now - begun) * rate) - asked if rate else len(self._idle) + self._unopened
            for number in range(due):
                self._send(begun + (asked + number) / rate if rate else now, fared)
            asked += due
            self._receive(0.001, fared)
        fared.seconds = time.monotonic() - begun
        while self._waiting:
            assert time.monotonic() < begun + seconds + DEADLINE, f"{len(self._waiting)} have no answer"
            self._receive(0.1, fared)
        return fared

    def _send(self, due: float, fared: Fared) -> None:
        if not self._idle and not self._unopened:
            fared.unasked += 1
            return
        one = self._idle.pop() if self._idle else self._open()
        one.sendall(self._request)
        self._waiting[one] = due, b""

    def _open(self) -> socket.socket:
        one = socket.create_connection(("127.0.0.1", self._port), DEADLINE)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(one, selectors.EVENT_READ)
        self._unopened -= 1
        return one

    def _receive(self, patience: float, fared: Fared) -> None:
        """Takes what arrives, and waits for it at most so long, in seconds."""
        for key, _ in self._selector.select(patience):
            one = key.fileobj
            assert isinstance(one, socket.socket)
            due, before = self._waiting.pop(one)
            received = one.recv(65536)
            assert received, "Envoy closed a connection"
            answer = before + received
            status = status_of(answer)
            if not status:
                self._waiting[one] = due, answer
                continue
            self._idle.append(one)
            fared.statuses[status] += 1
            if status == 200:
                fared.taken.append(time.monotonic() - due)


def status_of(answer: bytes) -> int:
    """Returns the status of an answer of HTTP/1.1 that is there as a whole, else 0."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return 0
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head[9:12]) if len(body) >= length else 0


@contextlib.contextmanager
def crowd(port: int, request: bytes, connections: int) -> Iterator[Crowd]:
    """Ends all its connections at the end."""
    one = Crowd(port, request, connections)
    try:
        yield one
    finally:
        one.close()
