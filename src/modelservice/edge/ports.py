"""Whether addresses can be listened on, asked before anything is started."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final

from modelservice.config import Address
from modelservice.errors import InvalidSettingError

_PORT_MAX: Final = 65535


def require_free(*addresses: tuple[str, Address]) -> None:
    """Makes sure that addresses can be listened on, all at the same time.

    Args:
        addresses: The setting that names it, and where.

    Raises:
        InvalidSettingError: One cannot. The text names its setting.
    """
    with contextlib.ExitStack() as listening:
        for setting, address in addresses:
            listening.enter_context(_listener(setting, address))


def _listener(setting: str, address: Address) -> socket.socket:
    if address.port > _PORT_MAX:
        raise InvalidSettingError(f"{setting}: cannot listen on {address}: the last port is {_PORT_MAX}")
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # As servers do: connections that have just ended are no obstacle.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # Two may be bound to one address, but not listen there.
        listener.listen()
    except OSError as error:
        listener.close()
        raise InvalidSettingError(f"{setting}: cannot listen on {address}: {os.strerror(error.errno or 0)}") from None
    return listener
