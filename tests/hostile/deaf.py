"""Callers who ask for much and read nothing of it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.settings

from tests.support.harness import DEADLINE

LIST = "/v1/models"
GRPC_LIST = "/modelservice.v1.ModelService/ListModels"
# How the callers ask.
WAYS = ("HTTP/1.1", "HTTP/2", "gRPC", "gRPC past Envoy")
# As little of an answer as possible lies on the reader's side, in bytes.
_RECEIVE_BUFFER = 4096
_STREAMS = 100


class Deaf:
    """Readers who ask for a list and let nobody send it to them.

    Args:
        http: Envoy's port.
        grpc: The server's port.
        way: How they ask, one of `WAYS`.
    """

    def __init__(self, http: int, grpc: int, way: str) -> None:
        self._port = grpc if way == "gRPC past Envoy" else http
        self._way = way
        self._sockets: list[socket.socket] = []

    def ask(self, key: str, times: int) -> None:
        """Asks so many times: over HTTP/1.1 on a connection each, else on streams."""
        if self._way == "HTTP/1.1":
            for _ in range(times):
                request = f"GET {LIST} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"
                self._connect().sendall(request.encode())
            return
        for first in range(0, times, _STREAMS):
            self._connect().sendall(self._streams(key, min(_STREAMS, times - first)))

    def statuses(self) -> list[int]:
        """Returns the statuses of those HTTP/1.1 answers that have begun to arrive. That much is read of them."""
        found = []
        for one in self._sockets:
            with contextlib.suppress(BlockingIOError):
                found.append(int(one.recv(12, socket.MSG_DONTWAIT | socket.MSG_PEEK)[9:] or 0))
        return found

    def closed(self) -> int:
        """Returns how many connections are at their end, once all that was sent on them is read."""
        return sum(self._at_end(one) for one in self._sockets)

    def close(self) -> None:
        for one in self._sockets:
            one.close()

    def _connect(self) -> socket.socket:
        one = socket.socket()
        one.settimeout(DEADLINE)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        one.connect(("127.0.0.1", self._port))
        self._sockets.append(one)
        return one

    def _streams(self, key: str, count: int) -> bytes:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        connection.local_settings = h2.settings.Settings(
            client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0}
        )
        connection.initiate_connection()
        is_grpc = self._way != "HTTP/2"
        headers = [
            (":method", "POST" if is_grpc else "GET"),
            (":scheme", "http"),
            (":path", GRPC_LIST if is_grpc else LIST),
            (":authority", "x"),
            ("authorization", f"Bearer {key}"),
        ]
        headers += [("te", "trailers"), ("content-type", "application/grpc")] if is_grpc else []
        for _ in range(count):
            stream = connection.get_next_available_stream_id()
            connection.send_headers(stream, headers, end_stream=not is_grpc)
            if is_grpc:
                connection.send_data(stream, b"\0\0\0\0\0", end_stream=True)
        return connection.data_to_send()

    def _at_end(self, one: socket.socket) -> bool:
        one.settimeout(0)
        try:
            while one.recv(1 << 20):
                pass
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


@contextlib.contextmanager
def deaf(http: int, grpc: int, way: str) -> Iterator[Deaf]:
    """Ends them all at the end."""
    one = Deaf(http, grpc, way)
    try:
        yield one
    finally:
        one.close()
