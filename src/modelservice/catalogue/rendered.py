"""What is rendered for one organization, kept while there is room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sized
from typing import Any, Final, TypeVar

from cachetools import LRUCache

# In bytes: some 20,000 models of organizations, with all their answers. What does not fit is rendered again.
BYTES_MAX: Final = 64 * 1024 * 1024
# What an item costs beside its bytes, roughly.
_OVERHEAD: Final = 1_000

T = TypeVar("T", bound=Sized)


class RenderedCache:
    """The most recently used answers, bounded in bytes.

    An answer is kept with what it was made from. Asked for with anything else, it is made anew: so nothing stale is
    ever served, and nothing need be thrown out when the catalogue changes.

    Args:
        bytes_max: How much is kept.
    """

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._lock = threading.Lock()
        self._items: LRUCache[object, tuple[tuple[Any, ...], Any]] = LRUCache(
            bytes_max, getsizeof=lambda item: len(item[1]) + _OVERHEAD
        )

    def get(self, key: object, made_from: tuple[object, ...], make: Callable[[], T]) -> T:
        """Returns what is kept under a key, or makes it.

        Args:
            key: Names it.
            made_from: The very objects that it depends on.
            make: Makes it. Two callers at a time may both do so.
        """
        with self._lock:
            found = self._items.get(key)
        if found and len(found[0]) == len(made_from) and all(a is b for a, b in zip(found[0], made_from, strict=True)):
            kept: T = found[1]
            return kept
        made = make()
        if len(made) + _OVERHEAD <= self._items.maxsize:
            with self._lock:
                self._items[key] = (made_from, made)
        return made
