"""Requests with bodies over HTTP/2, many at a time, sent piece by piece as windows allow."""

from __future__ import annotations

import socket
from collections import Counter

import h2.config
import h2.connection
import h2.events

from tests.support.harness import DEADLINE

Headers = list[tuple[str, str]]


class Bodies:
    """One connection, on which the same request is made several times at once.

    Args:
        port: Envoy's.
        headers: The request's.
        size: How many bytes its body has; 1 or more.
    """

    def __init__(self, port: int, headers: Headers, size: int) -> None:
        self._headers = headers
        self._size = size
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration())
        self._h2.initiate_connection()
        # What is still to be sent, by stream; and the status of each that has one.
        self._left: dict[int, int] = {}
        self._statuses: dict[int, str] = {}
        self._open: set[int] = set()

    def statuses(self, times: int) -> Counter[str]:
        """Makes so many requests, all of whose headers come first, and returns how many answers had which status."""
        with self._socket:
            for _ in range(times):
                stream = self._h2.get_next_available_stream_id()
                self._h2.send_headers(stream, self._headers)
                self._left[stream] = self._size
                self._open.add(stream)
            while self._open:
                self._send()
                received = self._socket.recv(1 << 18)
                assert received, "Envoy closed the connection"
                for event in self._h2.receive_data(received):
                    self._take(event)
        return Counter(self._statuses.values())

    def _send(self) -> None:
        for stream in self._open & self._left.keys():
            window = self._h2.local_flow_control_window(stream)
            while size := min(window, self._left[stream], self._h2.max_outbound_frame_size):
                self._left[stream] -= size
                window = self._h2.local_flow_control_window(stream) - size
                self._h2.send_data(stream, bytes(size), end_stream=not self._left[stream])
        self._socket.sendall(self._h2.data_to_send())

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                self._statuses[event.stream_id] = dict(event.headers)[b":status"].decode()
            case h2.events.DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded() | h2.events.StreamReset():
                self._open.discard(event.stream_id)
            case _:
                pass
