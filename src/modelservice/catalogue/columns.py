"""Models in one order, and for each thing that a filter can ask, which of them it is true of.

A filter that went from model to model would wait for memory at each, for most of its time. Here it joins a few numbers
whose bits stand for the models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, reduce
from itertools import compress
from operator import or_
from typing import Any, Final

from modelservice.catalogue.ordering import Order
from modelservice.catalogue.query import Query
from modelservice.catalogue.rendering import Entry
from modelservice.domain.model import Model

# What is asked of a model, with the values of which any or all may be its own.
_COLUMNS: Final[dict[str, Callable[[Model], Iterable[Any]]]] = {
    "capabilities": lambda model: model.capabilities,
    "compliance": lambda model: model.compliance,
    "owner": lambda model: (model.organization_id or model.provider,),
    # 0 is unknown, and passes nothing.
    "context_window": lambda model: (model.context_window,) if model.context_window else (),
    "cost_per_1k_tokens": lambda model: () if model.cost_per_1k_tokens is None else (model.cost_per_1k_tokens,),
    "encryption_supported": lambda model: (model.encryption_supported,),
    "pii_redaction_supported": lambda model: (model.pii_redaction_supported,),
}
# The digits of a binary number as what is false and what is true.
_TRUTH: Final = bytes.maketrans(b"01", b"\0\1")


class Columns:
    """Models of the list, in an order.

    Args:
        entries: Models in catalogue order. Those that are hidden are left out.
        order: The order.

    Attributes:
        entries: The models.
    """

    def __init__(self, entries: Sequence[Entry], order: Order) -> None:
        shown = [entry for entry in entries if entry.model.enabled]
        self.entries = sorted(shown, key=lambda entry: order.key(entry.model)) if order.field else shown

    def matching(self, query: Query, start: int) -> Sequence[Entry]:
        """Returns the models that a query is about.

        Args:
            query: The query.
            start: The place of the first that is looked at.
        """
        bits = -1
        for condition in self._conditions(query):
            bits &= condition
        found: Iterable[Entry] = self.entries[start:]
        if bits != -1:
            # The lowest bit, the first model, comes last in print.
            digits = f"{bits >> start:b}"[::-1].encode().translate(_TRUTH)
            found = compress(found, digits)
        for word in query.words:
            found = [entry for entry in found if word in entry.words]
        return list(found)

    def _conditions(self, query: Query) -> Iterator[int]:
        """Yields of what each condition of a query is true."""
        for name, labels in (("capabilities", query.capabilities), ("compliance", query.compliance)):
            for label in labels:
                yield self._having(name, [label])
        if query.owners:
            yield self._having("owner", query.owners)
        window, price = query.min_context_window, query.max_cost_per_1k_tokens
        if window is not None:
            known = self._columns["context_window"]
            yield self._having("context_window", [value for value in known if value >= window])
        if price is not None:
            known = self._columns["cost_per_1k_tokens"]
            yield self._having("cost_per_1k_tokens", [value for value in known if value <= price])
        for name, wanted in query.flags:
            yield self._having(name, [wanted])

    def _having(self, name: str, values: Iterable[Any]) -> int:
        """Returns which models have one of some values."""
        column = self._columns[name]
        return reduce(or_, (column.get(value, 0) for value in values), 0)

    @cached_property
    def _columns(self) -> dict[str, dict[Any, int]]:
        columns: dict[str, dict[Any, int]] = {name: {} for name in _COLUMNS}
        for place, entry in enumerate(self.entries):
            for name, values_of in _COLUMNS.items():
                for value in values_of(entry.model):
                    columns[name][value] = columns[name].get(value, 0) | 1 << place
        return columns
