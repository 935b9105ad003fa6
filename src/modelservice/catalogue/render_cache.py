"""A bounded cache of what is rendered for organizations."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator, Sized
from typing import Any, Final, TypeVar

from cachetools import LRUCache

from modelservice.errors import NotReadyError

# In bytes: some 20,000 models of organizations with all their answers.
BYTES_MAX: Final = 64 * 1024 * 1024
# Approximate memory of an item in addition to its bytes.
_OVERHEAD: Final = 1_000
# Number of remembered failures.
_FAILURES_MAX: Final = 1_000

T = TypeVar("T", bound=Sized)


class RenderedCache:
    """The most recently used answers, bounded in bytes.

    An answer is kept with the objects that it was made from, and made again if any of them was replaced. So no answer
    is stale, and none need be evicted when the catalogue changes.
    """

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._lock = threading.Lock()
        self._items: LRUCache[object, tuple[tuple[Any, ...], Any]] = LRUCache(
            bytes_max, getsizeof=lambda item: len(item[1]) + _OVERHEAD
        )
        self._makes = True
        self._failed: LRUCache[object, tuple[Any, ...]] = LRUCache(_FAILURES_MAX)

    def ready_only(self) -> RenderedCache:
        """Returns a view of this cache that makes no item."""
        view = copy.copy(self)
        view._makes = False  # noqa: SLF001
        return view

    @property
    def failed(self) -> list[tuple[object, tuple[object, ...]]]:
        """The keys of items that could not be made, each with the objects that the item depends on."""
        with self._lock:
            return list(self._failed.items())

    def get(self, key: object, made_from: tuple[object, ...], make: Callable[[], T]) -> T:
        """Returns the item of a key, made if necessary. Two concurrent callers may both make it.

        Args:
            key: The key.
            made_from: The objects that the item depends on, compared by identity.
            make: Makes the item.

        Raises:
            NotReadyError: This is a view (`ready_only`), and the item must be made or the cache is in use.
        """
        kept: T | None = self._find(key, made_from)
        if kept is not None:
            return kept
        if not self._makes:
            raise NotReadyError
        made = make()
        if len(made) + _OVERHEAD <= self._items.maxsize:
            with self._lock:
                self._items[key] = (made_from, made)
        return made

    def get_if_possible(self, key: object, made_from: tuple[object, ...], make: Callable[[], T]) -> T | None:
        """Returns the same as `get`, or None if making the item fails. A failure is not retried."""
        with self._reading():
            failed = self._failed.get(key) if self._failed else None
        if failed and _same(failed, made_from):
            return None
        try:
            made = self.get(key, made_from, make)
        except (MemoryError, NotReadyError):
            raise
        except Exception:  # noqa: BLE001  (the refresher logs the row, and `modelservice check` says why)
            with self._lock:
                self._failed[key] = made_from
            return None
        if failed:
            with self._lock:
                self._failed.pop(key, None)
        return made

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Holds the lock. A view does not wait for it, because it is held while items are evicted."""
        if not self._lock.acquire(blocking=self._makes):
            raise NotReadyError
        try:
            yield
        finally:
            self._lock.release()

    def _find(self, key: object, made_from: tuple[object, ...]) -> Any:  # noqa: ANN401  (what was made for the key)
        with self._reading():
            found = self._items.get(key)
        return found[1] if found and _same(found[0], made_from) else None


def _same(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))
