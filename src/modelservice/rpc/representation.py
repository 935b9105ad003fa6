"""What REST says of an answer beside its JSON: in which form it is, and for how long it may be kept.

Envoy makes HTTP headers of the initial metadata of the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from modelservice.catalogue.rendering import Answer

# For how long Envoy may answer the same caller's same request by itself, in milliseconds (edge/hot_answers.lua, which
# removes it). On every answer that may be kept, and on no other: 0 still says that it has an entity tag.
EDGE_TTL_KEY: Final = "x-modelservice-edge-ttl"
_VARY: Final = ("Authorization", "Accept-Encoding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caching:
    """For how long answers may be kept.

    Attributes:
        client: By the caller that got it, in seconds.
        edge: By Envoy, for the same caller, in seconds.
    """

    client: int
    edge: float


class Representations:
    """Makes an HTTP representation of an answer.

    Args:
        caching: For how long answers may be kept.
    """

    def __init__(self, caching: Caching) -> None:
        self._fixed = (
            ("cache-control", f"private, max-age={caching.client}"),
            (EDGE_TTL_KEY, str(round(caching.edge * 1000))),
        )

    def choose(
        self, answer: Answer, accept_encoding: Sequence[object], varies: Sequence[str]
    ) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        """Returns the serialized `google.api.HttpBody`, and its headers.

        Args:
            answer: The answer.
            accept_encoding: Every value of the request's `accept-encoding`.
            varies: On what it depends beside the credential and the encoding: names of headers.
        """
        headers = (("etag", answer.etag), ("vary", ", ".join((*_VARY, *varies))), *self._fixed)
        if answer.http_body_gzip is not None and accepts_gzip(accept_encoding):
            return answer.http_body_gzip, (("content-encoding", "gzip"), *headers)
        return answer.http_body, headers


def accepts_gzip(accept_encoding: Sequence[object]) -> bool:
    """Says whether a caller takes gzip: it names it, and not with a weight of 0 (RFC 9110, 12.5.3).

    Args:
        accept_encoding: Every value of the request's `accept-encoding`. `*` is no reason to compress.
    """
    for value in accept_encoding:
        for coding in str(value).lower().split(","):
            name, _, weight = coding.partition(";")
            if name.strip() == "gzip":
                return not weight or weight.replace(" ", "").removeprefix("q=").rstrip("0.") != ""
    return False
