"""Ports of loopback that nobody listens on."""

from __future__ import annotations

import contextlib
import os
import random
import socket

# Below the ports that the system assigns to clients (from 32768 on Linux): a server may find one of those taken, though
# it was free a moment ago. No port is given twice: each of the processes that run tests side by side has its share.
_SHARE = 22_000 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_FIRST = 10_000 + _SHARE * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_given: set[int] = set()


def neighbouring_ports(count: int) -> int:
    """Returns the first of `count` neighbouring ports that nobody listens on."""
    while True:
        first = random.randint(_FIRST, _FIRST + _SHARE - count)
        ports = set(range(first, first + count))
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in ports - _given:
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            if not ports & _given:
                _given.update(ports)
                return first


def free_ports(count: int) -> list[int]:
    """Returns ports that nobody listens on."""
    return [neighbouring_ports(1) for _ in range(count)]


def listens(port: int) -> bool:
    """Returns whether anyone listens on a port."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
