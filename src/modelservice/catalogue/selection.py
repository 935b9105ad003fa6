"""Some models of the list, chosen for one request and rendered for it alone."""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from modelservice.catalogue.columns import Columns
from modelservice.catalogue.listing import HEAD, MESSAGE_HEAD, Listing
from modelservice.catalogue.query import Query
from modelservice.catalogue.rendering import COMPRESSED_MIN, GZIP, Entry, http_body_head, serialize
from modelservice.v1 import model_service_pb2 as pb

# What is made for one request is compressed as fast as can be, and not at all where that would cost more than choosing
# it does. In bytes of JSON: some 250 models.
_COMPRESSED_MAX: Final = 128 * 1024
_FASTEST: Final = 1


def choose(query: Query, listing: Listing, own: Sequence[Entry]) -> Selection:
    """Returns the models that a query asks for.

    Args:
        query: The query.
        listing: The system models.
        own: Those of the caller's organization, in order; those that are not shown as well.
    """
    order = query.order

    def key(entry: Entry) -> tuple[object, ...]:
        return order.key(entry.model)

    found: list[Entry] = []
    for columns in (listing.in_order(order), Columns(own, order)):
        start = bisect.bisect_right(columns.entries, query.after, key=key) if query.after else 0
        found += columns.matching(query, start)
    if order.field and own:
        # Two runs, each in order: sorting merges them.
        found.sort(key=key)
    if query.page_size is None or len(found) <= query.page_size:
        return Selection(found, None)
    page = found[: query.page_size]
    return Selection(page, query.token(key(page[-1])))


@dataclass(frozen=True)
class Selection:
    """Some models, as an answer of ListModels (`catalogue.rendering.Answer`). Only the form that is asked for is made.

    Attributes:
        entries: The models.
        next_page_token: The token of the next page, or None when this is the last.
    """

    entries: Sequence[Entry]
    next_page_token: str | None

    @property
    def message(self) -> bytes:
        """The serialized response."""
        end = serialize(pb.ListModelsResponse(next_page_token=self.next_page_token))
        return b"".join([MESSAGE_HEAD, *[entry.element for entry in self.entries], end])

    @property
    def http_body(self) -> bytes:
        """The same as JSON, with its entity tag."""
        head = http_body_head(sum(map(len, self._json)) + len(self._json) - 1, self._tagged)
        return b",".join([head + self._json[0], *self._json[1:]])

    @property
    def http_body_gzip(self) -> bytes | None:
        """The same, compressed; None where that is not worth it."""
        if not COMPRESSED_MIN <= sum(map(len, self._json)) <= _COMPRESSED_MAX:
            return None
        data = zlib.compress(b",".join(self._json), _FASTEST, GZIP)
        return http_body_head(len(data), self._tagged, compressed=True) + data

    @cached_property
    def _json(self) -> Sequence[bytes]:
        """What is JSON when commas join it. Joined once, at the end: each copy of 2 MB takes several milliseconds."""
        # A token has only characters that stand for themselves.
        end = f'],"next_page_token":"{self.next_page_token}"}}' if self.next_page_token else "]}"
        first, *others = [entry.json_element for entry in self.entries] or [b""]
        if not others:
            return [HEAD + first + end.encode()]
        return [HEAD + first, *others[:-1], others[-1] + end.encode()]

    @property
    def _tagged(self) -> bytes:
        return b"".join([*[entry.digest for entry in self.entries], (self.next_page_token or "").encode()])
