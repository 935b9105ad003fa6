"""Models in one order, with what filters look at side by side.

A filter that went from model to model would wait for memory at each, for most of its time. Here it runs along one list,
whose values are shared by all models that have the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from itertools import compress
from typing import Any, Final

from modelservice.catalogue.ordering import Order
from modelservice.catalogue.query import Query
from modelservice.catalogue.rendering import Entry

# Of each of some values: whether it passes.
Condition = Callable[[Iterable[Any]], Iterable[object]]

_COLUMNS: Final[dict[str, Callable[[Entry], Any]]] = {
    "capabilities": lambda entry: frozenset(entry.model.capabilities),
    "compliance": lambda entry: frozenset(entry.model.compliance),
    "owner": lambda entry: entry.model.organization_id or entry.model.provider,
    # 0 is unknown, and passes nothing, as no price passes one that is unknown.
    "context_window": lambda entry: entry.model.context_window or -1,
    "cost_per_1k_tokens": lambda entry: (
        math.inf if entry.model.cost_per_1k_tokens is None else entry.model.cost_per_1k_tokens
    ),
    "encryption_supported": lambda entry: entry.model.encryption_supported,
    "pii_redaction_supported": lambda entry: entry.model.pii_redaction_supported,
    "words": lambda entry: entry.words,
}


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
        conditions = _conditions(query)
        if not conditions:
            return self.entries[start:]
        places: Sequence[int] = range(start, len(self.entries))
        # Each condition looks at what the one before has left.
        for name, passes in conditions:
            column = self._columns[name]
            places = list(compress(places, passes(map(column.__getitem__, places))))
        return list(map(self.entries.__getitem__, places))

    @cached_property
    def _columns(self) -> dict[str, Sequence[Any]]:
        shared: dict[Any, Any] = {}
        return {
            name: [shared.setdefault((name, value), value) for value in map(value_of, self.entries)]
            for name, value_of in _COLUMNS.items()
        }


def _conditions(query: Query) -> list[tuple[str, Condition]]:
    """Returns for which columns a query has a condition, and the condition."""
    conditions: list[tuple[str, Condition]] = []
    for name, labels in (("capabilities", query.capabilities), ("compliance", query.compliance)):
        if labels:
            conditions.append((name, partial(map, frozenset(labels).issubset)))
    if query.owners:
        conditions.append(("owner", partial(map, frozenset(query.owners).__contains__)))
    if query.min_context_window is not None:
        conditions.append(("context_window", partial(map, query.min_context_window.__le__)))
    if query.max_cost_per_1k_tokens is not None:
        conditions.append(("cost_per_1k_tokens", partial(map, query.max_cost_per_1k_tokens.__ge__)))
    conditions += [(name, partial(map, wanted.__eq__)) for name, wanted in query.flags]
    conditions += [("words", partial(_hold, word)) for word in query.words]
    return conditions


def _hold(word: str, texts: Iterable[str]) -> Iterable[bool]:
    return [word in text for text in texts]
