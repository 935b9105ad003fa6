"""The log: whole lines, never an exception, never a wait."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator

import pytest

from modelservice.telemetry import LineWriter, make_log
from modelservice.telemetry.line_reader import LineReader
from modelservice.telemetry.logs import DROPPED
from tests.support.harness import wait_until

SMALL = 10_000


class Pipe:
    """A pipe, and what writes lines to it."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self.writer = LineWriter(self.write, SMALL)
        self.received = b""

    def fill(self) -> None:
        """Writes until the pipe is full, and then the queue, and then some."""
        line = "x" * 999 + "\n"
        wait_until(lambda: self.writer.write(line) and self.writer.dropped > 3, "lines are dropped")

    def take(self, text: str) -> bool:
        """Reads what has come. Says whether a text was there."""
        os.set_blocking(self.read, False)
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.read, 65536):
                self.received += data
        return text.encode() in self.received

    def lines(self) -> list[str]:
        return self.received.decode().splitlines()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    one = Pipe()
    yield one
    with contextlib.suppress(OSError):
        os.close(one.read)
    assert one.writer.close()
    os.close(one.write)


def test_a_line_is_written_at_once_so_that_no_other_comes_into_it() -> None:
    written: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    log = make_log(Stream(), "info")
    log.info("one", number=1)
    log.info("two")

    assert ["}\n", "}\n"] == [text[-2:] for text in written]


def test_lines_arrive_in_their_order(pipe: Pipe) -> None:
    for number in range(500):
        pipe.writer.write(f"{number}\n")

    wait_until(lambda: pipe.take("499\n"), "the last line")
    assert [str(number) for number in range(500)] == pipe.lines()


def test_what_nobody_reads_is_dropped_counted_and_reported_once(pipe: Pipe) -> None:
    log = make_log(pipe.writer, "info")
    pipe.fill()
    dropped = pipe.writer.dropped

    wait_until(lambda: pipe.take(DROPPED), "it is reported")

    (line,) = [line for line in pipe.lines() if DROPPED in line]
    assert ("error", dropped) == (json.loads(line)["level"], json.loads(line)["lines"])
    # Every other line is whole.
    assert {"x" * 999, line} == set(pipe.lines())
    log.info("again")
    wait_until(lambda: pipe.take("again"), "later lines are written")


def test_a_reader_that_is_always_too_slow_sees_that_lines_are_missing(pipe: Pipe) -> None:
    make_log(pipe.writer, "info")
    pipe.fill()

    def reported() -> bool:
        # The queue is never empty.
        for _ in range(100):
            pipe.writer.write("x" * 999 + "\n")
        pipe.received += os.read(pipe.read, 4096)
        return DROPPED.encode() in pipe.received

    wait_until(reported, "it is reported")


def test_a_disk_that_is_full_costs_lines_alone() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    writer = LineWriter(full, SMALL)
    log = make_log(writer, "info")

    for _ in range(200):
        log.info("a line that cannot be written", text="x" * 100)

    assert writer.dropped > 0
    assert writer.close()
    os.close(full)


def test_a_pipe_whose_reader_is_gone_costs_lines_alone(pipe: Pipe) -> None:
    os.close(pipe.read)
    log = make_log(pipe.writer, "info")

    for _ in range(200):
        log.info("a line for nobody", text="x" * 100)

    assert pipe.writer.dropped > 0


def test_a_pipe_that_somebody_made_non_blocking_gets_every_line(pipe: Pipe) -> None:
    os.set_blocking(pipe.write, False)
    sent = 0
    while sent < 200:
        sent += 1
        pipe.writer.write(f"{sent:999}\n")
        pipe.take("")

    def all_there() -> bool:
        pipe.take("")
        return sent == len([line for line in pipe.lines() if DROPPED not in line]) + pipe.writer.dropped

    wait_until(all_there, "every line is read or counted")


def test_a_line_that_cannot_be_made_costs_itself(pipe: Pipe) -> None:
    class Unprintable:
        def __repr__(self) -> str:
            raise ValueError

    log = make_log(pipe.writer, "info")
    log.info("first", value=Unprintable())
    log.info("second", value="\ud800")

    wait_until(lambda: pipe.take("second"), "the next line")
    assert 1 == pipe.writer.dropped


def test_a_stream_that_fails_raises_nothing() -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError

    make_log(Broken(), "info").info("a line")


def test_the_form_follows_the_terminal() -> None:
    terminal, other = os.openpty()
    writer = LineWriter(other)
    make_log(writer, "info", "auto").info("a line")
    assert writer.close()

    # Not JSON.
    assert b"{" not in os.read(terminal, 1000)
    os.close(terminal)
    os.close(other)


@pytest.mark.parametrize("sent", [b"one\ntwo\n", b"one\ntwo"], ids=["whole", "cut off"])
def test_a_reader_hands_over_whole_lines(sent: bytes) -> None:
    read, write = os.pipe()
    taken: list[bytes] = []
    reader = LineReader(read, taken.append)
    os.write(write, sent)
    os.close(write)
    reader.close(10)

    assert b"one\ntwo\n" == b"".join(taken)


def test_a_reader_outlives_whoever_takes_its_lines() -> None:
    read, write = os.pipe()
    taken: list[bytes] = []

    def take(lines: bytes) -> None:
        taken.append(lines)
        raise ValueError

    reader = LineReader(read, take)
    os.write(write, b"one\n")
    wait_until(lambda: taken, "the first line")
    os.write(write, b"two\n")
    os.close(write)
    reader.close(10)

    assert [b"one\n", b"two\n"] == taken


def test_a_line_without_end_is_cut() -> None:
    read, write = os.pipe()
    taken: list[bytes] = []
    reader = LineReader(read, taken.append)
    for _ in range(40):
        os.write(write, b"x" * 10_000)
    os.close(write)
    reader.close(10)

    assert 400_000 == b"".join(taken).count(b"x")
    assert max(map(len, b"".join(taken).splitlines())) < 200_000
