"""Whether an address can be listened on, asked before anything is started."""

from __future__ import annotations

import os
import socket

from modelservice.errors import InvalidSettingError


def require_free(setting: str, address: tuple[str, int]) -> None:
    """Makes sure that an address can be listened on.

    Args:
        setting: The setting that names it.
        address: IP address and port.

    Raises:
        InvalidSettingError: It cannot. The text names the setting.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # As servers do: connections that have just ended are no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            raise InvalidSettingError(
                f"{setting}: cannot listen on {host}:{address[1]}: {os.strerror(error.errno or 0)}"
            ) from None
