"""Chooses between the plain and the compressed form of a REST answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from modelservice.catalogue.query.filtered_list import FilteredList
from modelservice.catalogue.rendering import Answer
from modelservice.errors import INVALID_REQUEST, Refusal

# In bytes. Envoy accepts 8 MiB with the frame and the content type (envoy.yaml, max_response_body_size), and turns
# anything longer into an internal error.
BYTES_MAX: Final = 8_000_000
_TOO_LONG: Final = "The list is longer than 8 MB: must be asked for in pages (page_size), or with accept-encoding: gzip"


def http_body(answer: Answer | FilteredList, accept_encoding: Sequence[object]) -> bytes:
    """Returns an answer as a serialized `google.api.HttpBody`, compressed if the client accepts gzip.

    Args:
        answer: The answer.
        accept_encoding: Every value of the request's `accept-encoding`.

    Raises:
        Refusal: `INVALID_REQUEST`: the body is longer than Envoy accepts.
    """
    compressed = answer.http_body_gzip if accepts_gzip(accept_encoding) else None
    body = compressed or answer.http_body
    if len(body) > BYTES_MAX:
        raise Refusal(INVALID_REQUEST, _TOO_LONG)
    return body


def accepts_gzip(accept_encoding: Sequence[object]) -> bool:
    """Returns whether a client names gzip with a weight other than 0 (RFC 9110, 12.5.3). `*` does not count."""
    for value in accept_encoding:
        for coding in str(value).lower().split(","):
            name, _, weight = coding.partition(";")
            if name.strip() == "gzip":
                return not weight or weight.replace(" ", "").removeprefix("q=").rstrip("0.") != ""
    return False
