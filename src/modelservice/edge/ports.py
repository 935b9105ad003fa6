"""A check that addresses are free, before anything starts."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final

from modelservice.config import Address
from modelservice.errors import InvalidSettingError

_PORT_MAX: Final = 65535


def require_free(*addresses: tuple[str, Address]) -> None:
    """Checks that all addresses can be listened on at the same time.

    Args:
        addresses: Pairs of a setting and its address.

    Raises:
        InvalidSettingError: An address cannot be listened on. The message names its setting.
    """
    with contextlib.ExitStack() as listening:
        for setting, address in addresses:
            listening.enter_context(_listener(setting, address))


def _listener(setting: str, address: Address) -> socket.socket:
    if address.port > _PORT_MAX:
        raise InvalidSettingError(f"{setting}: cannot listen on {address}: the last port is {_PORT_MAX}")
    listener = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    # As servers do: connections that have just closed do not block the port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # Two sockets may be bound to one address, but only one can listen.
        listener.listen()
    except OSError as error:
        listener.close()
        raise InvalidSettingError(f"{setting}: cannot listen on {address}: {os.strerror(error.errno or 0)}") from None
    return listener
