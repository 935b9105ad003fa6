"""Files with mode 0600, whatever the umask."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_MODE: Final = 0o600


def create(path: Path) -> None:
    """Creates an empty file.

    Raises:
        FileExistsError: The file, or a symbolic link of that name, exists.
        OSError: The file cannot be created.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE))


def write(path: Path, content: bytes) -> None:
    """Writes a file. An existing one keeps its owner and mode, which an operator may have changed.

    Raises:
        OSError: The file cannot be written, or is a symbolic link.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
