"""The table of filters: requests are read, page tokens bound and models matched by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelservice.catalogue.rendering import Entry
from modelservice.domain.values import LABEL_RULE, is_label

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
        matching: Yields the models that match what `read` returned; if `each` is set, one value of it. It contains the
            loop because a function called for each of 5,000 models takes twice as long.
        each: Whether a model must match each of several values.
    """

    name: str
    takes: str
    read: Callable[[Any], Any]
    matching: Callable[[Any, Iterable[Entry]], Iterator[Entry]]
    each: bool = False


def _labels(values: Sequence[str]) -> frozenset[str]:
    if len(values) > VALUES_MAX or not all(map(is_label, values)):
        raise ValueError
    return frozenset(values)


def _owners(values: Sequence[str]) -> frozenset[str]:
    if len(values) > VALUES_MAX or not all(1 <= len(value) <= OWNER_CHARACTERS_MAX for value in values):
        raise ValueError
    return frozenset(values)


def _price(price: float) -> float:
    if not (math.isfinite(price) and price >= 0):
        raise ValueError
    return price


def _words(text: str) -> frozenset[str] | None:
    words = text.casefold().split()
    if len(text) > WORDS_CHARACTERS_MAX or len(words) > WORDS_MAX:
        raise ValueError
    return frozenset(words) or None


_LABELS_RULE: Final = f"{LABEL_RULE}, at most {VALUES_MAX} of them"

# Models are tested in this order: cheap tests first.
FILTERS: Final = (
    Filter(
        "encryption_supported",
        "true or false",
        bool,
        lambda wanted, models: (one for one in models if one.model.encryption_supported is wanted),
    ),
    Filter(
        "pii_redaction_supported",
        "true or false",
        bool,
        lambda wanted, models: (one for one in models if one.model.pii_redaction_supported is wanted),
    ),
    Filter(
        "min_context_window",
        "a whole number from 0",
        int,
        # 0 means unknown, which passes no bound.
        lambda least, models: (one for one in models if one.model.context_window >= least and one.model.context_window),
    ),
    Filter(
        "max_cost_per_1k_tokens",
        "a number from 0",
        _price,
        lambda most, models: (
            one for one in models if one.model.cost_per_1k_tokens is not None and one.model.cost_per_1k_tokens <= most
        ),
    ),
    Filter(
        "owned_by",
        f"1 to {OWNER_CHARACTERS_MAX} characters, at most {VALUES_MAX} of them",
        _owners,
        lambda owners, models: (one for one in models if (one.model.organization_id or one.model.provider) in owners),
    ),
    Filter(
        "capability",
        _LABELS_RULE,
        _labels,
        lambda label, models: (one for one in models if label in one.model.capabilities),
        each=True,
    ),
    Filter(
        "compliance",
        _LABELS_RULE,
        _labels,
        lambda label, models: (one for one in models if label in one.model.compliance),
        each=True,
    ),
    Filter(
        "q",
        f"at most {WORDS_MAX} words, of {WORDS_CHARACTERS_MAX} characters together",
        _words,
        lambda word, models: (one for one in models if word in one.words),
        each=True,
    ),
)
