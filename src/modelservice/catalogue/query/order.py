"""The orders of a list.

Each is total, and its keys consist of a model's own values. So a key stays a valid place in the list while models come
and go.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from modelservice.catalogue.rendering import Entry
from modelservice.domain.model import Model

# JSON values; keys of one order can be compared.
Key = tuple[Any, ...]

_NUMBERS: Final[Mapping[str, Callable[[Model], float | None]]] = {
    "created": lambda model: model.created,
    # 0 means unknown.
    "context_window": lambda model: model.context_window or None,
    "cost_per_1k_tokens": lambda model: model.cost_per_1k_tokens,
}
FIELDS: Final = ("created", "id", "context_window", "cost_per_1k_tokens")
_DESCENDING: Final = " desc"


class _Descending(str):
    """A string that sorts in reverse."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


@dataclass(frozen=True, slots=True)
class Order:
    """An order of models.

    Attributes:
        field: One of `FIELDS`; None for catalogue order: system models first, each group by position.
        descending: Highest first. Unknown values still come last, and ties are in the order of names.
    """

    field: str | None = None
    descending: bool = False

    @classmethod
    def of(cls, text: str) -> Order:
        """Parses `order_by`: a field, optionally followed by ` desc`; empty means catalogue order.

        Raises:
            ValueError: The text names no order.
        """
        field = text.removesuffix(_DESCENDING)
        if field not in FIELDS:
            if not text:
                return cls()
            raise ValueError(text)
        return cls(field, descending=text != field)

    def arrange(self, entries: Iterable[Entry]) -> list[Entry]:
        """Returns the enabled models in this order.

        Args:
            entries: Models of one group (the system's, or an organization's) in catalogue order.
        """
        enabled = [entry for entry in entries if entry.model.enabled]
        return sorted(enabled, key=self.key) if self.field else enabled

    def key(self, entry: Entry) -> Key:
        """Returns a model's place."""
        model = entry.model
        if self.field is None:
            return (model.organization_id is not None, model.position)
        if self.field == "id":
            return (self._name(model.name),)
        number = _NUMBERS[self.field](model)
        if number is None:
            return (True, 0, model.name)
        return (False, -number if self.descending else number, model.name)

    def read_key(self, text: str) -> Key:
        """Parses a key of this order from JSON.

        Raises:
            ValueError: The text is no such key.
        """
        match json.loads(text, parse_constant=_refuse):
            case [bool(own), int(position)] if self.field is None:
                return (own, position)
            case [str(name)] if self.field == "id":
                return (self._name(name),)
            case [bool(unknown), int() | float() as number, str(name)] if self.field in _NUMBERS:
                if math.isfinite(number):
                    return (unknown, number, name)
        raise ValueError(text)

    def _name(self, name: str) -> str:
        return _Descending(name) if self.descending else name


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)
