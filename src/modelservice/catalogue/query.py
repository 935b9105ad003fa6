"""What a caller asks of the list: which models, in which order, and how many at a time."""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelservice.catalogue.ordering import FIELDS, Key, Order
from modelservice.catalogue.page_token import seal, unseal
from modelservice.domain.values import LABEL_RULE, canonical_json, is_label
from modelservice.errors import INVALID_REQUEST, Refusal
from modelservice.v1 import model_service_pb2 as pb

# What a request asks for beyond these is a mistake. (What is asked is compared with every model.)
VALUES_MAX: Final = 20
OWNER_CHARACTERS_MAX: Final = 256
WORDS_MAX: Final = 8
WORDS_CHARACTERS_MAX: Final = 256
PAGE_SIZE_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Query:
    """A request for some models of the list.

    Attributes:
        capabilities: All of which a model must have.
        compliance: The same.
        owners: One of which must own it; without any, whoever does.
        min_context_window: In tokens, or None.
        max_cost_per_1k_tokens: In US dollars, or None.
        flags: What flags must be, by their names.
        words: Which its texts must hold, casefolded.
        order: In which they are listed.
        page_size: How many at most, or None for all.
        after: The place in that order behind which they begin, or None for the start.
        binding: The key of its page tokens: the same for the same of what is above but the page's size, by the same
            callers, of the same database.
    """

    capabilities: Sequence[str]
    compliance: Sequence[str]
    owners: Sequence[str]
    min_context_window: int | None
    max_cost_per_1k_tokens: float | None
    flags: Sequence[tuple[str, bool]]
    words: Sequence[str]
    order: Order
    page_size: int | None
    after: Key | None
    binding: bytes

    @classmethod
    def of(cls, request: pb.ListModelsRequest, viewing_for: str | None, secret: str) -> Query:
        """Returns what a request asks for.

        Args:
            request: The request.
            viewing_for: The organization for which the caller reads, or None (`auth.authorize.viewer`).
            secret: What all servers of the database have, and no caller (`store.reading.Revision.secret`).

        Raises:
            Refusal: `INVALID_REQUEST`: a field has a value that it does not take. The message names it.
        """
        wanted: dict[str, Any] = {
            "capabilities": _labels("capability", request.capability),
            "compliance": _labels("compliance", request.compliance),
            "owners": _owners(request.owned_by),
            "min_context_window": _given(request, "min_context_window"),
            "max_cost_per_1k_tokens": _price(_given(request, "max_cost_per_1k_tokens")),
            "flags": [
                (name, getattr(request, name))
                for name in ("encryption_supported", "pii_redaction_supported")
                if request.HasField(name)
            ],
            "words": _words(request.q),
        }
        order = _order(request.order_by)
        said = canonical_json([viewing_for, wanted, order.field, order.descending])
        binding = hmac.digest(secret.encode(), said.encode(), "sha256")
        return cls(
            **wanted,
            order=order,
            page_size=_page_size(request.page_size),
            after=_place(request.page_token, order, binding) if request.page_token else None,
            binding=binding,
        )

    def token(self, last: Key) -> str:
        """Returns the token of the page that follows a place. It authorizes nothing."""
        return seal(self.binding, json.dumps(last, ensure_ascii=False, separators=(",", ":")))


def _place(token: str, order: Order, binding: bytes) -> Key:
    try:
        return order.read_key(unseal(binding, token))
    except (ValueError, OverflowError, RecursionError):
        raise _wrong(
            "page_token", "the next_page_token of the page before, with the same parameters and caller"
        ) from None


def _wrong(field: str, takes: str) -> Refusal:
    return Refusal(INVALID_REQUEST, f"{field}: must be {takes}")


def _given(request: pb.ListModelsRequest, field: str) -> Any:  # noqa: ANN401  (a field of any type)
    return getattr(request, field) if request.HasField(field) else None


def _labels(field: str, values: Sequence[str]) -> list[str]:
    if len(values) > VALUES_MAX or not all(is_label(value) for value in values):
        raise _wrong(field, f"{LABEL_RULE}, at most {VALUES_MAX} of them")
    return sorted(set(values))


def _owners(values: Sequence[str]) -> list[str]:
    if len(values) > VALUES_MAX or not all(1 <= len(value) <= OWNER_CHARACTERS_MAX for value in values):
        raise _wrong("owned_by", f"1 to {OWNER_CHARACTERS_MAX} characters, at most {VALUES_MAX} of them")
    return sorted(set(values))


def _price(price: float | None) -> float | None:
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise _wrong("max_cost_per_1k_tokens", "a number from 0")
    return price


def _words(text: str) -> list[str]:
    words = text.casefold().split()
    if len(text) > WORDS_CHARACTERS_MAX or len(words) > WORDS_MAX:
        raise _wrong("q", f"at most {WORDS_MAX} words, of {WORDS_CHARACTERS_MAX} characters together")
    return sorted(set(words))


def _order(text: str) -> Order:
    try:
        return Order.of(text)
    except ValueError:
        raise _wrong("order_by", f"one of {', '.join(FIELDS)}, or one of them with ' desc'") from None


def _page_size(size: int) -> int | None:
    if size < 0:
        raise _wrong("page_size", f"a whole number from 0; more than {PAGE_SIZE_MAX} means {PAGE_SIZE_MAX}")
    return min(size, PAGE_SIZE_MAX) or None
