"""What becomes of the lines that Envoy writes."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from modelservice.edge.envoy_output import EnvoyOutput
from modelservice.telemetry import LineWriter, make_log
from tests.support.harness import wait_until

ACCESS = b'{"message":"access","method":"GET","path":"/v1/models","status":200,"flags":"-"}\n'


@dataclass
class Written:
    """The log of a process, and the pipe to which the access log goes."""

    form: str = "json"
    log: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.read, self._write = os.pipe()
        self.access = LineWriter(self._write, 10_000)
        log = make_log(self.log, "info", self.form)
        self.output = EnvoyOutput(log, self.access, for_people=self.form == "console")

    def close(self) -> None:
        os.close(self.read)
        assert self.access.close()
        os.close(self._write)


@pytest.fixture
def written() -> Iterator[Written]:
    one = Written()
    yield one
    one.close()


def test_the_access_log_is_written_as_it_is(written: Written) -> None:
    written.output.take_access(ACCESS * 2)

    assert ACCESS * 2 == os.read(written.read, 1000)
    assert "" == written.log.getvalue()


def test_lines_that_nobody_read_are_reported_once_somebody_does(written: Written) -> None:
    def overflows() -> int:
        written.output.take_access(ACCESS * 100)
        return written.access.dropped

    wait_until(overflows, "lines are dropped")
    dropped = written.access.dropped

    wait_until(lambda: os.read(written.read, 65536) and "dropped" in written.log.getvalue(), "it is reported")
    line = json.loads(written.log.getvalue())
    assert ("error", "lines of the access log dropped") == (line["level"], line["message"])
    assert dropped <= line["lines"]


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        (b'{"level":"warning","message":"a reason","logger":"envoy.main"}', "warning", "a reason"),
        (b'{"level":"critical","message":"the end","logger":"envoy.main"}', "critical", "the end"),
        (b'{"level":"warning","message":"caught ENVOY_SIGTERM","logger":"envoy.main"}', "info", "caught ENVOY_SIGTERM"),
        (b"not JSON \xff", "warning", "not JSON \\xff"),
        (b"[1]", "warning", "[1]"),
    ],
)
def test_envoys_own_log_joins_the_log(written: Written, line: bytes, level: str, message: str) -> None:
    written.output.take_own(line + b"\n")

    said = json.loads(written.log.getvalue())
    assert (level, message) == (said["level"], said["message"])


def test_a_flood_of_envoys_own_lines_is_bounded(written: Written) -> None:
    written.output.take_own(b'{"level":"error","message":"again","logger":"envoy.lua"}\n' * 10_000)

    assert written.log.getvalue().count("\n") <= 200


def test_on_a_terminal_a_request_is_a_line_for_people() -> None:
    written = Written("console")
    written.output.take_access(ACCESS)
    written.close()

    assert "access" in written.log.getvalue()
    assert "path='/v1/models' status=200" in written.log.getvalue()
    assert "flags" not in written.log.getvalue()
