"""A plain HTTP/2 client that shows trailers, which httpx hides."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

from tests.support.harness import DEADLINE

# In seconds. Envoy gives a request 15 to arrive.
_PATIENCE = 10.0


@dataclass
class Exchange:
    """What came back on one stream.

    Attributes:
        headers: The response's headers, pseudo-headers included.
        body: Its body.
        trailers: The header block after the body; None if there is none.
    """

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trailers: dict[str, str] | None = None

    @property
    def status(self) -> int:
        return int(self.headers[":status"])


def exchange(
    port: int, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, is_complete: bool = True
) -> Exchange:
    """Sends one request without a body, and reads until its stream ends.

    Args:
        port: On loopback.
        path: The path with its query.
        method: The method.
        headers: Further headers, in lower case.
        is_complete: Whether the request ends, or leaves the other side waiting for a body.
    """
    fields = {":method": method, ":scheme": "http", ":authority": "x", ":path": path, **(headers or {})}
    # What is sent need not be valid.
    connection = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False))
    found = Exchange()
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as one:
        connection.initiate_connection()
        connection.send_headers(1, list(fields.items()), end_stream=is_complete)
        while True:
            one.sendall(connection.data_to_send())
            data = one.recv(1 << 16)
            assert data, "the connection was closed"
            for event in connection.receive_data(data):
                match event:
                    case h2.events.ResponseReceived():
                        found.headers = _texts(event.headers)
                    case h2.events.TrailersReceived():
                        found.trailers = _texts(event.headers)
                    case h2.events.DataReceived():
                        found.body += event.data
                        connection.acknowledge_received_data(event.flow_controlled_length, 1)
                    case h2.events.StreamEnded():
                        return found
                    case h2.events.StreamReset():
                        raise AssertionError(f"the stream was reset: {event.error_code}")
                    case _:
                        pass


def answers_to_unfinished(
    port: int, path: str, count: int, enough: int, *, method: str = "GET", headers: Mapping[str, str] | None = None
) -> list[int]:
    """Sends requests on one connection that never end, and returns the statuses of `enough` responses.

    Fails if they do not come before Envoy gives such requests up.
    """
    fields = {":method": method, ":scheme": "http", ":authority": "x", ":path": path, **(headers or {})}
    connection = h2.connection.H2Connection()
    statuses: list[int] = []
    end = time.monotonic() + _PATIENCE
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as one:
        connection.initiate_connection()
        for number in range(count):
            connection.send_headers(2 * number + 1, list(fields.items()))
        while len(statuses) < enough:
            one.sendall(connection.data_to_send())
            data = one.recv(1 << 16)
            assert data, "the connection was closed"
            assert time.monotonic() < end, f"only {len(statuses)} responses"
            events = connection.receive_data(data)
            responses = [event for event in events if isinstance(event, h2.events.ResponseReceived)]
            statuses += [int(_texts(response.headers)[":status"]) for response in responses]
    return statuses


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}
