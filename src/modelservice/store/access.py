"""What a connection may do, and how long it waits for a lock."""

from __future__ import annotations

from enum import Enum
from typing import Final

# How long a write waits for another one, in seconds.
LOCK_TIMEOUT: Final = 5.0


class Access(Enum):
    """What a connection may do."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"
