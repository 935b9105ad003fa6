"""The orders of a list.

Every order is total, and its keys are made of what a model itself says: so a place in it means the same whatever other
models come and go.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from modelservice.domain.model import Model

# Comparable with others of the same order, and made of what JSON has.
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
    """A text that comes before those that it would come after."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


@dataclass(frozen=True, slots=True)
class Order:
    """An order of models.

    Attributes:
        field: One of `FIELDS`; None is the order of the catalogue: system models before others, each by position.
        descending: From the highest. What is unknown comes last all the same, and equals stay in the order of names.
    """

    field: str | None = None
    descending: bool = False

    @classmethod
    def of(cls, text: str) -> Order:
        """Returns the order that a text names: a field, perhaps with ` desc`. The empty one names the catalogue's.

        Raises:
            ValueError: It names none.
        """
        field = text.removesuffix(_DESCENDING)
        if field not in FIELDS:
            if not text:
                return cls()
            raise ValueError(text)
        return cls(field, descending=text != field)

    def key(self, model: Model) -> Key:
        """Returns a model's place."""
        if self.field is None:
            return (model.organization_id is not None, model.position)
        if self.field == "id":
            return (self._name(model.name),)
        number = _NUMBERS[self.field](model)
        if number is None:
            return (True, 0, model.name)
        return (False, -number if self.descending else number, model.name)

    def read_key(self, text: str) -> Key:
        """Returns the place that a JSON text stands for: one that this order gives.

        Raises:
            ValueError: It stands for none.
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
