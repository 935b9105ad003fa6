"""The whole list, rendered and compressed in pieces, so that a change renders one piece.

Protobuf and JSON both render a list as the elements' bytes in sequence, and independently compressed pieces join into
one gzip stream. System models come first, so all lists share their beginning; an organization's models follow.
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.catalogue.query.order import Order
from modelservice.catalogue.rendering import COMPRESSION, Answer, Entry, make_answer, serialize

# Models in a piece: compressed in less than a millisecond, and long enough for gzip, whose window is 32 KB.
_PIECE: Final = 128

HEAD: Final = b'{"object":"list","data":['
_TAIL: Final = b"]}"
MESSAGE_HEAD: Final = serialize(pb.ListModelsResponse(object="list"))
# Deflate; no name, time or system (RFC 1952, 2.3).
_GZIP_HEAD: Final = b"\x1f\x8b\x08" + bytes(6) + b"\xff"


class Part(NamedTuple):
    """Consecutive enabled models, rendered: in JSON, a comma precedes each element except the list's first."""

    message: bytes
    json_text: bytes
    digests: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A compressed part.

    Attributes:
        entries: Its models, including disabled ones: disabling a model does not move the bounds of later pieces.
        leads: Whether no enabled model precedes these.
        part: Rendering of the enabled ones.
        deflated: Its JSON, compressed independently.
    """

    entries: Sequence[Entry]
    leads: bool
    part: Part
    deflated: bytes


class Listing:
    """The list of the system models, with which every whole list begins.

    Args:
        entries: The models, in catalogue order.
        before: The previous listing, whose unchanged pieces are reused.
        pause: Called between pieces of work.

    Attributes:
        alone: The answer for callers without models of their own.
    """

    def __init__(
        self, entries: Collection[Entry], before: Listing | None = None, pause: Callable[[], None] = lambda: None
    ) -> None:
        self._entries = entries
        self._ordered: dict[Order, list[Entry]] = {}
        self.pieces: Sequence[Piece] = _pieces(list(entries), before.pieces if before else [], pause)
        self._checksum = zlib.crc32(HEAD)
        for piece in self.pieces:
            self._checksum = zlib.crc32(piece.part.json_text, self._checksum)
        self.alone = self.followed_by(())

    def in_order(self, order: Order) -> list[Entry]:
        """Returns the enabled models in an order, sorted once."""
        if order not in self._ordered:
            self._ordered[order] = order.arrange(self._entries)
        return self._ordered[order]

    def followed_by(self, own: Sequence[Entry]) -> Answer:
        """Returns the answer for callers of an organization.

        Args:
            own: The organization's models, in catalogue order, including disabled ones.
        """
        last = _part(own, leads=not any(piece.part.message for piece in self.pieces))
        tail = last.json_text + _TAIL
        parts = [piece.part for piece in self.pieces]
        json_text = b"".join([HEAD, *[part.json_text for part in parts], tail])

        def compress() -> bytes:
            checksum = zlib.crc32(tail, self._checksum)
            # Both modulo 2^32 (RFC 1952, 2.3.1).
            end = checksum.to_bytes(4, "little") + (len(json_text) & 0xFFFFFFFF).to_bytes(4, "little")
            pieces = [piece.deflated for piece in self.pieces]
            return b"".join([_GZIP_HEAD, _DEFLATED_HEAD, *pieces, _deflated(tail, zlib.Z_FINISH), end])

        return make_answer(
            b"".join([MESSAGE_HEAD, *[part.message for part in parts], last.message]),
            json_text,
            b"".join([*[part.digests for part in parts], last.digests]),
            compress,
        )


def _pieces(entries: Sequence[Entry], before: Sequence[Piece], pause: Callable[[], None]) -> list[Piece]:
    """Cuts the list into pieces, reusing those that did not change."""
    pieces: list[Piece] = []
    leads = True
    for start in range(0, len(entries), _PIECE):
        piece_entries = entries[start : start + _PIECE]
        old = before[len(pieces)] if len(pieces) < len(before) else None
        if old and old.leads == leads and _same(old.entries, piece_entries):
            pieces.append(old)
        else:
            part = _part(piece_entries, leads=leads)
            pieces.append(Piece(piece_entries, leads, part, _deflated(part.json_text, zlib.Z_FULL_FLUSH)))
            pause()
        leads = leads and not pieces[-1].part.message
    return pieces


def _same(some: Sequence[Entry], others: Sequence[Entry]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))


def _part(entries: Sequence[Entry], *, leads: bool) -> Part:
    enabled = [entry for entry in entries if entry.model.enabled]
    comma = b"" if leads or not enabled else b","
    return Part(
        message=b"".join([entry.element for entry in enabled]),
        json_text=comma + b",".join([entry.json_element for entry in enabled]),
        digests=b"".join([entry.digest for entry in enabled]),
    )


def _deflated(text: bytes, flush: int) -> bytes:
    """Compresses a text without references to earlier text, up to a whole byte."""
    compressor = zlib.compressobj(COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(text) + compressor.flush(flush)


_DEFLATED_HEAD: Final = _deflated(HEAD, zlib.Z_FULL_FLUSH)
