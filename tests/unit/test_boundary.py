"""Whatever goes wrong in a handler leaves it as a documented error, and tells nothing."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import grpc
import pytest

from modelservice.catalogue.snapshot import Snapshot
from modelservice.errors import INVALID_REQUEST, UNAVAILABLE, Refusal
from modelservice.rpc import boundary
from modelservice.rpc.server import Server
from modelservice.rpc.status import Status, status_of
from modelservice.telemetry import LineBudget, make_log
from modelservice.telemetry.metrics import Metrics
from tests.support.calls import LIST, Metadata, call, details
from tests.support.harness import channel, streaming, unary, wait_until
from tests.support.ports import free_ports

SECRET = "SELECT password FROM /etc/secret"  # noqa: S105


class Faulty:
    """A catalogue whose snapshot does what a test says."""

    def __init__(self) -> None:
        self.act: Callable[[], object] = lambda: None

    @property
    def snapshot(self) -> Snapshot | None:
        self.act()
        return None


class Running:
    def __init__(self) -> None:
        self.catalogue = Faulty()
        self.lines = io.StringIO()
        self.now = 0.0
        self.server = Server(
            self.catalogue,
            None,
            make_log(self.lines, "debug"),
            Metrics("0"),
            LineBudget(3, lambda: self.now),
            reflection_enabled=False,
        )
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        assert self.server.start(self.address)

    @property
    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


@pytest.fixture
def running() -> Iterator[Running]:
    one = Running()
    yield one
    hurried = threading.Event()
    hurried.set()
    one.server.stop(0, hurried)


def test_an_exception_is_an_internal_error_that_tells_nothing(running: Running) -> None:
    def fail() -> None:
        raise ValueError(SECRET)

    running.catalogue.act = fail
    error = call(running.address, LIST, metadata=(("x-request-id", "r-1"),))

    assert (grpc.StatusCode.INTERNAL, "Internal error") == (error.code(), error.details())
    status, info = details(error)
    assert ("INTERNAL_ERROR", "Internal error") == (info.reason, status.message)
    assert SECRET not in str(error.trailing_metadata())
    assert "ValueError" not in str(error.trailing_metadata())
    # The operator, who is told the request's id, finds the cause.
    (line,) = [line for line in running.log if line["message"] == "unexpected error"]
    assert ("r-1", True) == (line["request_id"], SECRET in str(line["exception"]))


def test_a_refusal_with_any_text_arrives_as_it_is(running: Running) -> None:
    sentence = '100% "quoted" \\ ü 模型 \n {}'

    def refuse() -> None:
        raise Refusal(INVALID_REQUEST, sentence)

    running.catalogue.act = refuse

    assert sentence == call(running.address, LIST).details()


def test_a_cancelled_call_ends_and_hurts_nobody(running: Running) -> None:
    entered, release = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        release.wait()

    running.catalogue.act = wait
    with channel(running.address) as one:
        future = unary(one, LIST).future(b"")
        assert entered.wait(10)
        future.cancel()
        release.set()
        wait_until(lambda: any(line["message"] == "call" for line in running.log), "the call is logged")
    running.catalogue.act = lambda: None

    assert grpc.StatusCode.UNAVAILABLE == call(running.address, LIST).code()
    assert not [line for line in running.log if line["level"] == "error"]


def test_a_deadline_that_passes_is_told_as_such(running: Running) -> None:
    release = threading.Event()
    running.catalogue.act = release.wait
    try:
        error = call(running.address, LIST, timeout=0.2)
    finally:
        release.set()

    assert grpc.StatusCode.DEADLINE_EXCEEDED == error.code()


def test_a_call_that_ends_without_a_message_is_invalid(running: Running) -> None:
    with channel(running.address) as one, pytest.raises(grpc.RpcError) as raised:
        streaming(one, "/grpc.health.v1.Health/Check")(iter(()))

    assert (grpc.StatusCode.INVALID_ARGUMENT, "The request message is missing") == (
        raised.value.code(),
        raised.value.details(),
    )


@pytest.mark.parametrize("given", ["", "a" * 129, "with space"])
def test_a_request_id_that_no_log_should_hold_is_replaced(running: Running, given: str) -> None:
    metadata: Metadata = (("x-request-id", given),)
    made = dict(call(running.address, LIST, metadata=metadata).trailing_metadata())["x-request-id"]

    assert (given, 36) != (made, len(given))
    assert 36 == len(made)


def test_a_busy_server_logs_some_calls_and_says_how_many_it_left_out(running: Running) -> None:
    def ask(request_id: str) -> None:
        call(running.address, LIST, metadata=(("x-request-id", request_id),))

    def fail() -> None:
        raise ValueError

    for number in range(5):
        ask(f"first-{number}")
    running.catalogue.act = fail
    ask("defect")
    running.catalogue.act = lambda: None
    ask("left out")
    running.now = 1.0
    ask("later")
    ask("last")

    lines = [line for line in running.log if line["message"] == "call"]
    expected = [("first-0", None), ("first-1", None), ("first-2", None), ("defect", 2), ("later", 1), ("last", None)]
    assert expected == [(line["request_id"], line.get("skipped")) for line in lines]


def test_refused_calls_cannot_hide_those_that_are_granted(running: Running) -> None:
    for _ in range(5):
        call(running.address, LIST)
    with channel(running.address) as one:
        for _ in range(3):
            unary(one, "/grpc.health.v1.Health/Check")(b"")

    codes = [line["code"] for line in running.log if line["message"] == "call"]
    assert ["unavailable"] * 3 + ["ok"] * 3 == codes


TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "traceparent", [f"00-{TRACE}-{PARENT}-01", f"01-{TRACE}-{PARENT}-00", f"fe-{TRACE}-{PARENT}-00-what-comes"]
)
def test_a_call_is_logged_with_its_trace(running: Running, traceparent: str) -> None:
    call(running.address, LIST, metadata=(("traceparent", traceparent),))

    assert [TRACE] == [line["trace_id"] for line in running.log if line["message"] == "call"]


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        *(
            (("traceparent", value),)
            for value in (
                f"00-{TRACE}-{PARENT}-01-more",
                f"00-{TRACE}-{PARENT}-01-",
                f"01-{TRACE}-{PARENT}-01more",
                f"ff-{TRACE}-{PARENT}-01",
                f"00-{'0' * 32}-{PARENT}-01",
                f"00-{TRACE}-{'0' * 16}-01",
                f"00-{TRACE.upper()}-{PARENT}-01",
                f"00-{TRACE[1:]}-{PARENT}-01",
                f"00-{TRACE}-{PARENT}",
                "",
                "x" * 1000,
            )
        ),
    ],
)
def test_a_trace_that_is_malformed_is_not_logged(running: Running, metadata: Metadata) -> None:
    call(running.address, LIST, metadata=metadata)

    assert [False] == ["trace_id" in line for line in running.log if line["message"] == "call"]


def test_a_second_server_cannot_take_the_port(running: Running) -> None:
    other = Running()
    try:
        assert not other.server.start(running.address)
    finally:
        hurried = threading.Event()
        hurried.set()
        other.server.stop(0, hurried)


@pytest.mark.parametrize("part", ["trace_id", "status_of"])
def test_what_fails_beside_the_handler_tells_nothing_either(
    running: Running, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, SECRET)

    def fail_once(refusal: Refusal, request_id: str) -> Status:
        if refusal.kind is UNAVAILABLE:
            fail()
        return status_of(refusal, request_id)

    monkeypatch.setattr(boundary, part, fail if part == "trace_id" else fail_once)
    error = call(running.address, LIST)

    expected = grpc.StatusCode.UNAVAILABLE if part == "trace_id" else grpc.StatusCode.INTERNAL
    assert expected == error.code()
    assert SECRET not in f"{error.details()} {error.trailing_metadata()}"
    assert any(SECRET in str(line.get("exception")) for line in running.log)


def test_a_watch_that_fails_tells_nothing(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> bytes:
        raise ValueError(SECRET)

    monkeypatch.setattr(running.server.health, "_status", fail)
    with channel(running.address) as one, pytest.raises(grpc.RpcError) as raised:
        next(iter(cast("Any", one.unary_stream("/grpc.health.v1.Health/Watch"))(b"")))

    assert (grpc.StatusCode.INTERNAL, "Internal error") == (raised.value.code(), raised.value.details())
