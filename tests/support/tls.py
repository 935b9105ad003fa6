"""A service with TLS everywhere, and callers who talk TLS to it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import h2.config
import h2.connection
import h2.events

from tests.support.authority import Authority, Issued, rename
from tests.support.harness import DEADLINE, Place

AUTHORITY = Authority()
STRANGER = Authority("stranger")
CLIENT = AUTHORITY.issue("a caller")
NAME = "models.internal"

Renew = Callable[[Path, Issued], tuple[Path, Path]]


def secured(place: Place, *, renew: Renew = rename) -> tuple[Issued, Issued]:
    """Turns TLS on everywhere, and returns what Envoy and the server show."""
    edge, server = AUTHORITY.issue(), AUTHORITY.issue(NAME)
    authority = place.folder / "ca.crt"
    authority.write_bytes(AUTHORITY.certificate)
    for prefix, folder, issued in (
        ("TLS", "edge", edge),
        ("GRPC_TLS", "server", server),
        ("GRPC_TLS_CLIENT", "client", CLIENT),
    ):
        certificate, key = renew(place.folder / folder, issued)
        place.settings[f"MODELSERVICE_{prefix}_CERTIFICATE"] = str(certificate)
        place.settings[f"MODELSERVICE_{prefix}_KEY"] = str(key)
    place.settings["MODELSERVICE_GRPC_TLS_CA"] = place.settings["MODELSERVICE_GRPC_TLS_CLIENT_CA"] = str(authority)
    place.settings["MODELSERVICE_GRPC_TLS_SERVER_NAME"] = NAME
    return edge, server


def trusting(authority: Authority = AUTHORITY, *protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), DEADLINE)


def shows(issued: Issued, port: int, name: str = "localhost", client: tuple[Path, Path] | None = None) -> bool:
    """Says whether a port shows a certificate to a new caller."""
    context = trusting(AUTHORITY, "h2")
    if client:
        context.load_cert_chain(*client)
    with connected(port) as plain, context.wrap_socket(plain, server_hostname=name) as secured:
        return issued.der == secured.getpeercert(binary_form=True)


class OneConnection:
    """A connection over HTTP/1.1 or HTTP/2, with TLS, which is not opened again."""

    def __init__(self, port: int, protocol: str, authority: Authority = AUTHORITY) -> None:
        plain = connected(port)
        self._socket = trusting(authority, protocol).wrap_socket(plain, server_hostname="localhost")
        assert protocol == self._socket.selected_alpn_protocol()
        self.get = self._get_2 if protocol == "h2" else self._get_1
        self._2 = h2.connection.H2Connection(h2.config.H2Configuration())
        if protocol == "h2":
            self._2.initiate_connection()

    def _get_1(self, path: str, key: str) -> int:
        request = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n"
        self._socket.sendall(request.encode())
        answer = http.client.HTTPResponse(self._socket, method="GET")
        answer.begin()
        answer.read()
        return answer.status

    def _get_2(self, path: str, key: str) -> int:
        stream = self._2.get_next_available_stream_id()
        headers = [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "localhost")]
        self._2.send_headers(stream, [*headers, ("authorization", f"Bearer {key}")], end_stream=True)
        status = 0
        while True:
            self._socket.sendall(self._2.data_to_send())
            received = self._socket.recv(65536)
            assert received, "the connection was closed"
            for event in self._2.receive_data(received):
                assert not isinstance(event, h2.events.ConnectionTerminated)
                if isinstance(event, h2.events.ResponseReceived):
                    status = int(dict(event.headers)[b":status"])
                if isinstance(event, h2.events.StreamEnded):
                    return status

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def secure_channel(
    address: str, client: Issued | None = None, authority: Authority = AUTHORITY, name: str | None = None
) -> Iterator[grpc.Channel]:
    credentials = grpc.ssl_channel_credentials(
        authority.certificate, client.key if client else None, client.certificate if client else None
    )
    options: list[tuple[str, int | str]] = [("grpc.use_local_subchannel_pool", 1)]
    if name:
        options.append(("grpc.ssl_target_name_override", name))
    with grpc.secure_channel(address, credentials, options=options) as one:
        yield one
