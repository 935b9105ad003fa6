"""Requests to a running Envoy, at its HTTP address or its admin interface."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any, Final

from modelservice.certificates import read_leaf
from modelservice.edge.configuration import Administration
from modelservice.errors import InvalidSettingError
from modelservice.pem_files import PemFile

# In seconds. Envoy is on this machine.
_TIMEOUT: Final = 2.0
# Other members of a health status are flags, each of which reports a fault.
_HEALTHY: Final = {"eds_health_status": "HEALTHY"}


def health(admin: Administration) -> dict[tuple[str, int], bool]:
    """Returns which servers, by IP address and port, Envoy considers healthy; empty if Envoy does not answer."""
    _, body = _request("GET", admin, "/clusters?format=json")
    try:
        clusters = {cluster["name"]: cluster["host_statuses"] for cluster in json.loads(body)["cluster_statuses"]}
        hosts = clusters["modelservice"]
        return {_socket_address(host): host["health_status"] == _HEALTHY for host in hosts}
    except (ValueError, KeyError, TypeError):
        return {}


def is_ready(address: tuple[str, int], *, certificate: PemFile | None = None) -> bool:
    """Returns whether Envoy is ready at its HTTP address, and shows the certificate if there is one."""
    status, _ = _request("GET", address, "/readyz", certificate)
    return status == http.client.OK


def drain(admin: Administration) -> None:
    """Tells Envoy to stop accepting connections and to close idle ones."""
    _request("POST", admin, "/healthcheck/fail")
    _request("POST", admin, "/drain_listeners?graceful&skip_exit")


def requests_under_way(admin: Administration) -> int:
    """Returns the number of requests in Envoy; 0 if it does not answer."""
    _, body = _request("GET", admin, "/stats?filter=^http.edge.downstream_rq_active$")
    _, _, number = body.decode(errors="replace").rpartition(": ")
    return int(number) if number.strip().isdigit() else 0


def _socket_address(host: dict[str, Any]) -> tuple[str, int]:
    address = host["address"]["socket_address"]
    return address["address"], address["port_value"]


class _PinnedConnection(http.client.HTTPSConnection):
    """A connection to the holder of one certificate, whatever its name: no other program receives the request."""

    def __init__(self, host: str, port: int, certificate: PemFile) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(host, port, timeout=_TIMEOUT, context=context)
        self._certificate = certificate

    def connect(self) -> None:
        super().connect()
        if self.sock.getpeercert(binary_form=True) != read_leaf(self._certificate):
            raise ssl.SSLCertVerificationError


class _SocketConnection(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(str(self._path))


def _connection(address: Administration, certificate: PemFile | None) -> http.client.HTTPConnection:
    if isinstance(address, Path):
        return _SocketConnection(address)
    if certificate:
        return _PinnedConnection(*address, certificate)
    return http.client.HTTPConnection(*address, timeout=_TIMEOUT)


def _request(method: str, address: Administration, path: str, certificate: PemFile | None = None) -> tuple[int, bytes]:
    connection = _connection(address, certificate)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException, InvalidSettingError):
        return 0, b""
    finally:
        connection.close()
