"""HTTP/2 spoken by hand: frames that no library would send, and what came back."""

from __future__ import annotations

import itertools
import select
import socket
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

import hpack
from hyperframe.frame import (
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

from tests.support.harness import DEADLINE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
END_STREAM, ACK, END_HEADERS = 1, 1, 4
# In seconds: a peer that neither reads nor writes for so long has stopped reading.
SILENCE = 2.0
_LAST_PING = b"the last"

# What an answer's headers say.
_RESULTS = (b":status", b"grpc-status")
# An answer that is no refusal; gRPC resets a stream whose caller has not ended it, when it has said all.
_RIGHT = {":status 200", "grpc-status 0", "reset 0"}


def frame(kind: type[Frame] | int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    """Returns one frame, whatever is wrong with it."""
    number = kind if isinstance(kind, int) else kind.type
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", number, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    """Returns a SETTINGS frame."""
    return frame(SettingsFrame, payload=b"".join(struct.pack(">HI", *pair) for pair in pairs))


def block(headers: Iterable[tuple[str, str | bytes]]) -> bytes:
    """Returns a header block that means the same on every stream: it leaves nothing in the dynamic table."""
    return hpack.Encoder().encode([(name, value, True) for name, value in headers], huffman=False)


@dataclass
class Heard:
    """What a peer said.

    Attributes:
        frames: How many of each kind.
        answers: Of each stream: HTTP and gRPC statuses, and the code with which it was reset.
        ended: The streams of which no more will come.
        goaway: The error codes of GOAWAY.
        is_closed: Whether it ended the connection.
        is_deaf: Whether it stopped reading.
    """

    frames: Counter[str] = field(default_factory=Counter)
    answers: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    ended: set[int] = field(default_factory=set)
    goaway: list[int] = field(default_factory=list)
    is_closed: bool = False
    is_deaf: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the connection is of no more use to the caller."""
        return self.is_closed or self.is_deaf

    @property
    def refusals(self) -> int:
        """How many streams were refused, or reset."""
        return sum(not _RIGHT.issuperset(answer) for answer in self.answers.values())


class Wire:
    """One connection.

    Args:
        port: Of Envoy or the server, on loopback.
        first: What is sent first: the preface and SETTINGS.
        reads: Whether what the peer says is read while something is sent.
        acknowledges: Whether its SETTINGS and PINGs are.
    """

    def __init__(
        self, port: int, first: bytes = PREFACE + settings(), *, reads: bool = True, acknowledges: bool = True
    ) -> None:
        self._reads = reads
        self._acknowledges = acknowledges
        self._received = b""
        self._answers = b""
        self._is_last_ping_answered = False
        self._decoder = hpack.Decoder()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self._socket.settimeout(0)
        self.heard = Heard()
        self.sent = 0
        self._turn(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, frames: Iterator[bytes]) -> None:
        """Sends them all, or until the connection is over."""
        while not self.heard.is_over and (some := list(itertools.islice(frames, 64))):
            self._turn(b"".join(some))
            self.sent += len(some)

    def settle(self) -> Heard:
        """Reads on, until the peer has dealt with all that was sent, or the connection is over."""
        self._reads = True
        self._turn(frame(PingFrame, payload=_LAST_PING))
        self._read_until(lambda: self._is_last_ping_answered)
        return self.heard

    def wait_for(self, stream: int) -> None:
        """Reads on, until a stream has ended, or the connection is over."""
        self._read_until(lambda: stream in self.heard.ended)

    def _read_until(self, condition: Callable[[], bool]) -> None:
        while not self.heard.is_over and not condition():
            if select.select([self._socket], [], [], SILENCE)[0]:
                self._read()
            else:
                self.heard.is_deaf = True

    def _turn(self, data: bytes) -> None:
        while data and not self.heard.is_over:
            data, self._answers = data + self._answers, b""
            readable, writable, _ = select.select([self._socket] if self._reads else [], [self._socket], [], SILENCE)
            if readable:
                self._read()
            if writable and not self.heard.is_closed:
                data = self._write(data)
            if not readable and not writable:
                self.heard.is_deaf = True

    def _write(self, data: bytes) -> bytes:
        try:
            return data[self._socket.send(data) :]
        except (BrokenPipeError, ConnectionResetError):
            # What it said before it closed may still be there.
            self._read()
            self.heard.is_closed = True
        return b""

    def _read(self) -> None:
        try:
            while part := self._socket.recv(1 << 18):
                self._received += part
            self.heard.is_closed = True
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.heard.is_closed = True
        while len(self._received) >= 9:
            one, length = Frame.parse_frame_header(memoryview(self._received[:9]))
            if len(self._received) < 9 + length:
                break
            one.parse_body(memoryview(self._received[9 : 9 + length]))
            self._received = self._received[9 + length :]
            self._hear(one)

    def _hear(self, one: Frame) -> None:
        self.heard.frames[type(one).__name__.removesuffix("Frame")] += 1
        if "END_STREAM" in one.flags or isinstance(one, RstStreamFrame):
            self.heard.ended.add(one.stream_id)
        match one:
            case HeadersFrame():
                headers = self._decoder.decode(one.data, raw=True)
                said = [f"{name.decode()} {value.decode()}" for name, value in headers if name in _RESULTS]
                self.heard.answers[one.stream_id].extend(said)
            case RstStreamFrame():
                self.heard.answers[one.stream_id].append(f"reset {one.error_code}")
            case GoAwayFrame():
                self.heard.goaway.append(one.error_code)
            case PingFrame() if "ACK" in one.flags:
                self._is_last_ping_answered |= one.opaque_data == _LAST_PING
            case SettingsFrame() if "ACK" not in one.flags and self._acknowledges:
                self._answers += frame(SettingsFrame, flags=ACK)
            case PingFrame() if self._acknowledges:
                self._answers += frame(PingFrame, payload=one.opaque_data, flags=ACK)
            case _:
                pass
