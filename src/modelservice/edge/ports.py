"""Whether an address can be listened on, asked before anything is started."""

from __future__ import annotations

import os
import socket

from modelservice.config import Address
from modelservice.errors import InvalidSettingError


def require_free(setting: str, address: Address) -> None:
    """Makes sure that an address can be listened on.

    Args:
        setting: The setting that names it.
        address: Where.

    Raises:
        InvalidSettingError: It cannot. The text names the setting.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # As servers do: connections that have just ended are no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise InvalidSettingError(
                f"{setting}: cannot listen on {address}: {os.strerror(error.errno or 0)}"
            ) from None
