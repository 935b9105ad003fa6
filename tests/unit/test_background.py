"""The loop that runs every background task: nothing that a step raises ends it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelservice.background import ReportedError, Task
from modelservice.telemetry import make_log
from tests.support.harness import wait_until

INTERVAL = 0.01


class Steps:
    """A step that raises what it is told to, and counts."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.runs = 0
        self.log = io.StringIO()

    def __call__(self) -> None:
        self.runs += 1
        if self.error:
            raise self.error

    def messages(self) -> list[str]:
        return [json.loads(line)["message"] for line in self.log.getvalue().splitlines()]


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def started(steps: Steps) -> Iterator[Callable[..., Task]]:
    tasks: list[Task] = []

    def start(**options: Any) -> Task:
        tasks.append(Task("task", steps, **{"interval": INTERVAL, "log": make_log(steps.log, "info"), **options}))
        tasks[-1].start()
        return tasks[-1]

    yield start
    for task in tasks:
        task.close()


@pytest.mark.parametrize("error", [ValueError("a defect"), MemoryError(), SystemExit(1), KeyboardInterrupt()])
def test_whatever_a_step_raises_is_said_once_and_retried(
    steps: Steps, started: Callable[..., Task], error: BaseException
) -> None:
    steps.error = error
    task = started()
    wait_until(lambda: task.failures > 3, "it is retried")
    assert task.failing
    steps.error = None

    wait_until(lambda: not task.failing, "it is over")
    wait_until(lambda: len(steps.messages()) == 2, "both are said")
    assert ["task failed", "task recovered"] == steps.messages()
    assert type(error).__name__ in steps.log.getvalue()


def test_each_failure_of_its_own_is_said(steps: Steps, started: Callable[..., Task]) -> None:
    def elsewhere() -> None:
        steps()
        raise ValueError("another")

    steps.error = ValueError("one")
    task = started()
    wait_until(lambda: task.failures > 1, "it fails")
    task._step = elsewhere
    steps.error = None

    wait_until(lambda: steps.messages() == ["task failed"] * 2, "the other is said")
    texts = [f"number {number}" for number in range(3)]
    for text in texts:
        steps.error = ValueError(text)
        wait_for_failures(task, 2)
    assert not [text for text in texts[1:] if text in steps.log.getvalue()]


def test_a_log_that_raises_ends_nothing(steps: Steps, started: Callable[..., Task]) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    steps.error = ValueError("a defect")
    task = started(log=make_log(Full(), "info"))
    wait_until(lambda: task.failures > 3, "it is retried")
    steps.error = None

    wait_until(lambda: not task.failing, "it is over")


def test_what_a_step_has_said_itself_is_counted_and_not_said_again(steps: Steps, started: Callable[..., Task]) -> None:
    steps.error = ReportedError()
    task = started()

    # Without a longer pause each time: this would take ten thousand years.
    wait_until(lambda: task.failures > 50, "it is retried")
    assert task.failing
    steps.error = None
    wait_until(lambda: not task.failing, "it is over")
    assert [] == steps.messages()


def test_failures_that_nobody_foresaw_are_retried_later_and_later(steps: Steps) -> None:
    task = Task("task", steps, 0.25, make_log(steps.log, "info"))
    steps.error = ValueError("a defect")
    pauses = [task._attempt() for _ in range(100)]

    for number, pause in enumerate(pauses):
        shortest = min(0.25 * 2**number, 10)
        assert shortest <= pause <= shortest * 1.5
    assert len({pause for pause in pauses if pause > 10}) > 10
    steps.error = None
    assert 0.25 == task._attempt()
    steps.error = ValueError("a defect")
    assert task._attempt() < 0.5


def test_one_that_is_woken_waits_for_no_interval(steps: Steps, started: Callable[..., Task]) -> None:
    task = started(interval=3600, cool_down=0.01)
    wait_until(lambda: steps.runs == 1, "it runs")

    task.wake()

    wait_until(lambda: steps.runs == 2, "it runs again")


def test_its_end_waits_for_neither_a_pause_nor_a_step_that_hangs(started: Callable[..., Task], steps: Steps) -> None:
    task = started(interval=3600)
    wait_until(lambda: steps.runs == 1, "it runs")
    task.close()
    assert not task._thread.is_alive()

    go_on = threading.Event()

    def hang() -> None:
        go_on.wait()

    hanging = Task("hanging", hang, 1, make_log(steps.log, "info"))
    hanging.start()
    hanging.close(patience=0.1)
    assert hanging._thread.is_alive()
    go_on.set()
    hanging._thread.join()


def wait_for_failures(task: Task, count: int) -> None:
    after = task.failures + count
    wait_until(lambda: task.failures >= after, "it fails")
