"""HTTP/2 requests that are none: what HTTP/1 would take, what two readers could take differently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hyperframe.frame import DataFrame, HeadersFrame

from tests.hostile.http2 import END_HEADERS, END_STREAM, Wire, block, frame
from tests.hostile.http2_attacks import Request

Headers = list[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Message:
    """A request made wrong.

    Attributes:
        change: Returns wrong headers for right ones.
        body: What follows them; with None, the right request's.
    """

    change: Callable[[Headers], Headers]
    body: bytes | None = None


def _and(name: str, value: str | bytes, body: bytes | None = None) -> Message:
    return Message(lambda headers: [*headers, (name, value)], body)


def _first(name: str, value: str) -> Message:
    return Message(lambda headers: [(name, value), *headers])


def _with(name: str, value: str | bytes) -> Message:
    return Message(lambda headers: [(old, value if old == name else kept) for old, kept in headers])


def _without(name: str) -> Message:
    return Message(lambda headers: [(old, kept) for old, kept in headers if old != name])


FORBIDDEN: dict[str, Message] = {
    "connection": _and("connection", "close"),
    "connection names a header": _and("connection", "authorization"),
    "keep-alive": _and("keep-alive", "timeout=5"),
    "proxy-connection": _and("proxy-connection", "keep-alive"),
    "transfer-encoding": _and("transfer-encoding", "chunked", b"0\r\n\r\n"),
    "upgrade": _and("upgrade", "h2c"),
    "te that is not trailers": _and("te", "gzip"),
    "two paths": _first(":path", "/v1/models/claude-3-opus"),
    "two methods": _first(":method", "DELETE"),
    "two schemes": _first(":scheme", "https"),
    "two authorities": _first(":authority", "y"),
    "a status": _first(":status", "200"),
    "a pseudo header unheard of": _first(":other", "x"),
    "a pseudo header at the end": Message(lambda headers: [*headers[1:], headers[0]]),
    "no path": _without(":path"),
    "no method": _without(":method"),
    "no scheme": _without(":scheme"),
    "an empty path": _with(":path", ""),
    "a path with a space": _with(":path", "/v1/models/gpt-4o HTTP/1.1"),
    "a path with CR LF": _with(":path", "/v1/models/gpt-4o\r\nx: y"),
    "a path with a fragment": _with(":path", "/v1/models/gpt-4o#/../claude-3-opus"),
    "a path that is absolute": _with(":path", "http://other/v1/models/gpt-4o"),
    "a method with a space": _with(":method", "GET /v1/models HTTP/1.1"),
    "a scheme unheard of": _with(":scheme", "gopher"),
    "an authority with spaces": _with(":authority", "a b"),
    "an authority with CR LF": _with(":authority", "a\r\nx: y"),
    "an authority with a user": _with(":authority", "user@x"),
    "another host": _and("host", "y"),
    "upper case": _and("X-Upper", "x"),
    "a name with a space": _and("x y", "z"),
    "a name with a colon": _and("x:y", "z"),
    "a name with CR LF": _and("x\r\ny", "z"),
    "an empty name": _and("", "z"),
    "a name with an underscore": _and("x_y", "z"),
    "CR LF in a value": _and("x-some", "a\r\nauthorization: b"),
    "LF in a value": _and("x-some", "a\nb"),
    "NUL in a value": _and("x-some", "a\0b"),
    "a value that begins with a space": _and("x-some", " a"),
    "content-length too large": _and("content-length", "100"),
    "content-length too small": _and("content-length", "1", b"\0\0\0\0\0"),
    "content-length of 0 and a body": _and("content-length", "0", b"\0\0\0\0\0"),
    "two content-lengths": Message(
        lambda headers: [*headers, ("content-length", "5"), ("content-length", "50")], b"\0\0\0\0\0"
    ),
    "content-length that is none": _and("content-length", "five", b"\0\0\0\0\0"),
    "content-length with a sign": _and("content-length", "+5", b"\0\0\0\0\0"),
}


# Of a right request: REST has no trailers of gRPC.
ANSWERS = {"Envoy": [":status 200"], "gRPC": [":status 200", "grpc-status 0"]}

# What is answered as if nothing were wrong. Behind Envoy's port there is one reading of it; on the gRPC port nobody
# stands between the caller and grpcio, which could read it differently.
MEANT: dict[str, set[str]] = {
    "Envoy": {"a scheme unheard of", "another host", "a value that begins with a space"},
    "gRPC": {
        "connection",
        "connection names a header",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "two paths",
        "two schemes",
        "a status",
        "a pseudo header at the end",
        "an authority with spaces",
        "an authority with CR LF",
        "an authority with a user",
        "another host",
        "a name with an underscore",
        "CR LF in a value",
        "LF in a value",
        "NUL in a value",
        "a value that begins with a space",
        "content-length too large",
        "content-length too small",
        "content-length of 0 and a body",
        "two content-lengths",
        "content-length that is none",
        "content-length with a sign",
    },
}


def answer(port: int, headers: Headers, request: Request, message: Message) -> tuple[list[str], list[str]]:
    """Returns what was said to a wrong request, and to the right one after it on the same connection.

    Args:
        port: Of Envoy or the server.
        headers: Of the right request.
        request: The right request.
        message: What is wrong with the other.
    """
    body = request.message if message.body is None else message.body
    wrong = block(message.change(headers))
    sent = frame(HeadersFrame, 1, wrong, END_HEADERS if body else END_HEADERS | END_STREAM)
    if body:
        sent += frame(DataFrame, 1, body, END_STREAM)
    with Wire(port) as wire:
        wire.send(iter([sent, request.whole(3)]))
        wire.wait_for(1)
        wire.wait_for(3)
        return wire.heard.answers[1], wire.heard.answers[3]
