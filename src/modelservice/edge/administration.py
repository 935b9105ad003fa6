"""Where Envoy's administration is reached."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, TypeAlias

from modelservice.errors import EdgeError

# A loopback IP address and port, or the path of a Unix socket.
Administration: TypeAlias = tuple[str, int] | Path

_SOCKET: Final = "envoy-admin.sock"
# In bytes: what macOS takes. Linux takes 107.
_SOCKET_PATH_MAX: Final = 103


def socket_in(folder: Path) -> Path:
    """Returns the path of the administration's socket in a folder.

    Raises:
        EdgeError: The path is longer than that of a Unix socket may be.
    """
    path = folder / _SOCKET
    if len(os.fsencode(path)) > _SOCKET_PATH_MAX:
        raise EdgeError(
            f"{path}: too long for a Unix socket: at most {_SOCKET_PATH_MAX} bytes (use a shorter folder, or set "
            "MODELSERVICE_ENVOY_ADMIN_ADDRESS)"
        )
    return path
