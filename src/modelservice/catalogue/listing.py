"""The list: rendered and compressed in pieces, of which a change makes one anew.

A list is never built from its models again: the bytes of a repeated field are its elements' bytes one after the other,
in protobuf as in JSON, and pieces that were compressed independently make one compressed text. System models come
first, so all lists begin alike, and an organization's own models are what follows.
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from modelservice.catalogue.columns import Columns
from modelservice.catalogue.ordering import Order
from modelservice.catalogue.rendering import COMPRESSION, Answer, Entry, make_answer, serialize
from modelservice.v1 import model_service_pb2 as pb

# Models in a piece. Compressing one takes less than a millisecond, and finds nearly all that repeats: what gzip looks
# back on is 32 KB.
_PIECE: Final = 128

HEAD: Final = b'{"object":"list","data":['
_TAIL: Final = b"]}"
MESSAGE_HEAD: Final = serialize(pb.ListModelsResponse(object="list"))
# Deflate, no name, no time, no system (RFC 1952, 2.3).
_GZIP_HEAD: Final = b"\x1f\x8b\x08" + bytes(6) + b"\xff"


class Part(NamedTuple):
    """Some models of the list, in order, as far as they are shown.

    Attributes:
        message: The models, serialized.
        json_text: The same in JSON, with a comma before each but the list's first.
        digests: Their elements' digests.
    """

    message: bytes
    json_text: bytes
    digests: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A part that is kept, compressed by itself.

    Attributes:
        entries: Its models; those that are not shown as well, so that the next pieces stay when one is hidden.
        leads: Whether no model is shown before these.
        part: What they come to.
        deflated: Its JSON, compressed.
    """

    entries: Sequence[Entry]
    leads: bool
    part: Part
    deflated: bytes


class Listing:
    """The list of all the system models, and what every other list begins with.

    Args:
        entries: The system models, in order.
        before: The listing before this one: what is the same in it is not made again.
        pause: Called between two pieces of work.

    Attributes:
        pieces: The pieces.
        alone: The answer to who sees these models alone.
    """

    def __init__(
        self, entries: Collection[Entry], before: Listing | None = None, pause: Callable[[], None] = lambda: None
    ) -> None:
        self._entries = entries
        self._ordered: dict[Order, Columns] = {}
        self.pieces: Sequence[Piece] = _pieces(list(entries), before.pieces if before else [], pause)
        self._checksum = zlib.crc32(HEAD)
        for piece in self.pieces:
            self._checksum = zlib.crc32(piece.part.json_text, self._checksum)
        self.alone = self.followed_by(())

    def in_order(self, order: Order) -> Columns:
        """Returns the models in an order. Made when it is first asked for."""
        if order not in self._ordered:
            self._ordered[order] = Columns(list(self._entries), order)
        return self._ordered[order]

    def followed_by(self, own: Sequence[Entry]) -> Answer:
        """Returns the answer to who sees an organization's models, too.

        Args:
            own: Its models, in order; those that are not shown as well.
        """
        last = _part(own, leads=not any(piece.part.message for piece in self.pieces))
        tail = last.json_text + _TAIL
        parts = [piece.part for piece in self.pieces]
        json_text = b"".join([HEAD, *[part.json_text for part in parts], tail])

        def compress() -> bytes:
            checksum = zlib.crc32(tail, self._checksum)
            # Modulo 2^32 both (RFC 1952, 2.3.1).
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
    """Cuts the list into pieces, and takes those that are the same as before from there."""
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
    shown = [entry for entry in entries if entry.model.enabled]
    comma = b"" if leads or not shown else b","
    return Part(
        message=b"".join([entry.element for entry in shown]),
        json_text=comma + b",".join([entry.json_element for entry in shown]),
        digests=b"".join([entry.digest for entry in shown]),
    )


def _deflated(text: bytes, flush: int) -> bytes:
    """Compresses a text by itself: without looking back on what stands before it, and up to a whole byte."""
    compressor = zlib.compressobj(COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(text) + compressor.flush(flush)


_DEFLATED_HEAD: Final = _deflated(HEAD, zlib.Z_FULL_FLUSH)
