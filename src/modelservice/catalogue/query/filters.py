"""The table of filters: how a request is read, what page tokens are bound to, and which models match."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelservice.catalogue.rendering import Entry
from modelservice.domain.values import LABEL_RULE, UINT32_MAX, is_label

# Values are compared with every model, so their number is bounded.
VALUES_MAX: Final = 20
OWNER_CHARACTERS_MAX: Final = 256
WORDS_MAX: Final = 8
WORDS_CHARACTERS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of the list.

    Attributes:
        name: Field of `ListModelsRequest`, and so the query parameter.
        takes: Rule for its value, as the error message states it.
        read: Returns the value in a form that is the same for equivalent requests, or None if the value selects
            everything. Raises `ValueError` if it breaks the rule.
        matching: Yields the models that match what `read` returned. The loop is inside because calling a function for
            each model would take twice as long.
        each: Whether `read` returned several values, which a model must match one by one.
    """

    name: str
    takes: str
    read: Callable[[Any], Any]
    matching: Callable[[Any, Iterable[Entry]], Iterator[Entry]]
    each: bool = False


def _texts(values: Sequence[str], is_valid: Callable[[str], bool]) -> frozenset[str]:
    if len(values) > VALUES_MAX or not all(map(is_valid, values)):
        raise ValueError
    return frozenset(values)


def _labels(values: Sequence[str]) -> frozenset[str]:
    return _texts(values, is_label)


def _owners(values: Sequence[str]) -> frozenset[str]:
    return _texts(values, lambda value: 1 <= len(value) <= OWNER_CHARACTERS_MAX)


def _price(price: float) -> float:
    if not (math.isfinite(price) and price >= 0):
        raise ValueError
    return price


def _words(text: str) -> frozenset[str] | None:
    words = text.casefold().split()
    if len(text) > WORDS_CHARACTERS_MAX or len(words) > WORDS_MAX:
        raise ValueError
    return frozenset(words) or None


_FLAG: Final = "true or false"
_LABELS: Final = f"{LABEL_RULE}, at most {VALUES_MAX} of them"
_OWNERS: Final = f"1 to {OWNER_CHARACTERS_MAX} characters, at most {VALUES_MAX} of them"
_WORDS: Final = f"at most {WORDS_MAX} words, of {WORDS_CHARACTERS_MAX} characters together"

# Models are tested in this order: cheap tests first.
# fmt: off
FILTERS: Final = (
    Filter("encryption_supported", _FLAG, bool,
           lambda wanted, models: (one for one in models if one.model.encryption_supported is wanted)),
    Filter("pii_redaction_supported", _FLAG, bool,
           lambda wanted, models: (one for one in models if one.model.pii_redaction_supported is wanted)),
    # 0 means unknown, which passes no bound.
    Filter("min_context_window", f"a whole number from 0 to {UINT32_MAX}", int,
           lambda least, models: (one for one in models if least <= one.model.context_window != 0)),
    Filter("max_cost_per_1k_tokens", "a number from 0", _price,
           lambda most, models: (one for one in models if (cost := one.model.cost_per_1k_tokens) is not None
                                 and cost <= most)),
    Filter("owned_by", _OWNERS, _owners,
           lambda owners, models: (one for one in models
                                   if (one.model.organization_id or one.model.provider) in owners)),
    Filter("capability", _LABELS, _labels,
           lambda label, models: (one for one in models if label in one.model.capabilities), each=True),
    Filter("compliance", _LABELS, _labels,
           lambda label, models: (one for one in models if label in one.model.compliance), each=True),
    Filter("q", _WORDS, _words,
           lambda word, models: (one for one in models if word in one.words), each=True),
)
# fmt: on
