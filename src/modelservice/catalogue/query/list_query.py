"""What a ListModels request asks for: filters, an order, and a page."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.auth.authorize import Viewer
from modelservice.catalogue.query.filters import FILTERS
from modelservice.catalogue.query.order import FIELDS, Key, Order
from modelservice.catalogue.query.page_token import seal, unseal
from modelservice.catalogue.rendering import Entry
from modelservice.domain.values import canonical_json
from modelservice.errors import INVALID_REQUEST, Refusal

PAGE_SIZE_MAX: Final = 1_000
# The bound of the field.
_INT32_MAX: Final = 2**31 - 1

# What the fields of a request take, as error messages state it.
TAKES: Final[Mapping[str, str]] = {
    **{one.name: one.takes for one in FILTERS},
    "order_by": f"one of {', '.join(FIELDS)}, or one of them with ' desc'",
    "page_size": f"a whole number from 0 to {_INT32_MAX}; more than {PAGE_SIZE_MAX} means {PAGE_SIZE_MAX}",
    "page_token": "the next_page_token of the previous page, with the same parameters and caller",
}


@dataclass(frozen=True, slots=True)
class Query:
    """A request for a part of the list.

    Attributes:
        viewer: The caller.
        filters: The values of `FILTERS` that are set, by name.
        order: Order of the list.
        page_size: Maximum number of models, or None for all.
        after: Place in the order after which the page begins, or None for the start.
        binding: Key of the page tokens. It depends on filters, order, organization and database, not on the page size.
    """

    viewer: Viewer
    filters: Mapping[str, Any]
    order: Order
    page_size: int | None
    after: Key | None
    binding: bytes

    @classmethod
    def of(cls, request: pb.ListModelsRequest, viewer: Viewer, secret: str) -> Query:
        """Reads a request. All servers of a database share the secret (`store.changes.Revision.secret`).

        Raises:
            Refusal: `INVALID_REQUEST`: the message names the field and what it takes.
        """
        filters = _filters(request)
        order = _order(request.order_by)
        bound = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in filters.items()}
        content = canonical_json([viewer.organization_id, bound, order.field, order.descending])
        binding = hmac.digest(secret.encode(), content.encode(), "sha256")
        return cls(
            viewer=viewer,
            filters=filters,
            order=order,
            page_size=_page_size(request.page_size),
            after=_place(request.page_token, order, binding) if request.page_token else None,
            binding=binding,
        )

    def matching(self, models: Iterable[Entry]) -> Iterable[Entry]:
        """Returns the models that the viewer sees and every filter selects."""
        if not self.viewer.sees_all(None):
            models = (one for one in models if self.viewer.may_see(one.model))
        for one in FILTERS:
            if one.name in self.filters:
                value = self.filters[one.name]
                for part in sorted(value) if one.each else [value]:
                    models = one.matching(part, models)
        return models

    def token(self, last: Key) -> str:
        """Returns the token of the page after a place. It authorizes nothing."""
        return seal(self.binding, json.dumps(last, ensure_ascii=False, separators=(",", ":")))


def invalid(field: str) -> Refusal:
    """Returns the refusal of a field whose value is not what the field takes."""
    return Refusal(INVALID_REQUEST, f"{field}: must be {TAKES[field]}", parameter=field)


def _filters(request: pb.ListModelsRequest) -> dict[str, Any]:
    values = {field.name: value for field, value in request.ListFields()}
    found = {}
    for one in FILTERS:
        if one.name in values:
            try:
                found[one.name] = one.read(values[one.name])
            except ValueError:
                raise invalid(one.name) from None
    return {name: value for name, value in found.items() if value is not None}


def _place(token: str, order: Order, binding: bytes) -> Key:
    try:
        return order.read_key(unseal(binding, token))
    except (ValueError, OverflowError, RecursionError):
        raise invalid("page_token") from None


def _order(text: str) -> Order:
    try:
        return Order.of(text)
    except ValueError:
        raise invalid("order_by") from None


def _page_size(size: int) -> int | None:
    if size < 0:
        raise invalid("page_size")
    return min(size, PAGE_SIZE_MAX) or None
