"""A list made for one request: its models selected, and rendered."""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.catalogue.listing import HEAD, MESSAGE_HEAD, Listing
from modelservice.catalogue.query.list_query import Query
from modelservice.catalogue.rendering import COMPRESSED_MIN, GZIP, Entry, http_body_head, serialize

# Lists of one request are compressed at the fastest level, and beyond this not at all: compressing would cost more than
# selecting. In bytes of JSON: some 250 models.
_COMPRESSED_MAX: Final = 128 * 1024
_FASTEST: Final = 1


def choose(query: Query, listing: Listing, own: Sequence[Entry]) -> FilteredList:
    """Selects the models that a query asks for.

    Args:
        query: The query.
        listing: All system models.
        own: The organization's models that the viewer sees, in catalogue order, disabled ones included.
    """
    order, size = query.order, query.page_size
    found: list[Entry] = []
    for ordered in (listing.in_order(order), order.arrange(own)):
        start = bisect.bisect_right(ordered, query.after, key=order.key) if query.after else 0
        matching = query.matching(ordered[start:])
        # One more than the page holds shows that another page follows.
        found += matching if size is None else islice(matching, size + 1)
    if order.field and own:
        # Merges two sorted runs.
        found.sort(key=order.key)
    if size is None or len(found) <= size:
        return FilteredList(found, None)
    return FilteredList(found[:size], query.token(order.key(found[size - 1])))


@dataclass(frozen=True)
class FilteredList:
    """The answer of ListModels (`catalogue.rendering.Answer`) for one request. Renders only the form that is sent.

    Attributes:
        entries: Its models.
        next_page_token: None on the last page.
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
        """The JSON form, with its entity tag."""
        head = http_body_head(sum(map(len, self._json)) + len(self._json) - 1, self._tagged)
        return b",".join([head + self._json[0], *self._json[1:]])

    @property
    def http_body_gzip(self) -> bytes | None:
        """The JSON form, compressed; None if it is too short or too long for that."""
        if not COMPRESSED_MIN <= sum(map(len, self._json)) <= _COMPRESSED_MAX:
            return None
        data = zlib.compress(b",".join(self._json), _FASTEST, GZIP)
        return http_body_head(len(data), self._tagged, compressed=True) + data

    @cached_property
    def _json(self) -> Sequence[bytes]:
        """The JSON without the commas between its parts: it is joined once, as copying 2 MB takes milliseconds."""
        # Characters of a token need no escape.
        end = f'],"next_page_token":"{self.next_page_token}"}}' if self.next_page_token else "]}"
        first, *others = [entry.json_element for entry in self.entries] or [b""]
        if not others:
            return [HEAD + first + end.encode()]
        return [HEAD + first, *others[:-1], others[-1] + end.encode()]

    @property
    def _tagged(self) -> bytes:
        return b"".join([*[entry.digest for entry in self.entries], (self.next_page_token or "").encode()])
