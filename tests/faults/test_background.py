"""Every background task of a server fails, and comes back."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from modelservice import app, config
from modelservice.background import Task
from modelservice.stop import Stop
from modelservice.telemetry import make_log
from tests.support.calls import LIST, bearer
from tests.support.harness import Place, unary, wait_until
from tests.support.issuer import Issuer
from tests.support.metrics import value
from tests.support.service import prepare
from tests.support.tls import AUTHORITY, secure_channel

TASKS = {"refresher", "freshness", "issuer_keys", "certificate", "message_deadline"}


class Sabotage:
    """Makes each task's step raise, while it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = False
        self.names: set[str] = set()
        start = Task.start

        def sabotaged(task: Task) -> None:
            self.names.add(task.name)
            task._step = self._failing(task._step)
            # An issuer is asked every five minutes.
            task._interval, task._cool_down = min(task._interval, 0.2), min(task._cool_down, 0.05)
            start(task)

        monkeypatch.setattr(Task, "start", sabotaged)

    def _failing(self, step: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            if self.on:
                raise RuntimeError("sabotage")
            step()

        return run


def test_each_task_that_fails_comes_back(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage, log, stop = Sabotage(monkeypatch), io.StringIO(), Stop()
    keys = prepare(place)
    issued = AUTHORITY.issue()
    for name, content in (("tls.pem", issued.certificate), ("tls.key", issued.key)):
        (tmp_path / name).write_bytes(content)
    with Issuer() as issuer:
        place.settings |= issuer.settings | {
            "MODELSERVICE_GRPC_TLS_CERTIFICATE": str(tmp_path / "tls.pem"),
            "MODELSERVICE_GRPC_TLS_KEY": str(tmp_path / "tls.key"),
        }
        settings = config.load(
            {name: text for name, text in place.environment.items() if name.startswith(config.PREFIX)}
        )
        serving = threading.Thread(target=app.serve, args=(settings, make_log(log, "info"), stop))
        serving.start()
        try:
            wait_until(lambda: '"SERVING"' in log.getvalue(), "it serves")
            assert TASKS == sabotage.names

            sabotage.on = True
            for name in TASKS:
                wait_until(partial(failed, place, name), f"{name} fails")
            with secure_channel(place.grpc) as one:
                assert unary(one, LIST)(b"", metadata=bearer(keys.reader))
            sabotage.on = False

            for name in TASKS:
                wait_until(partial(works, place, name), f"{name} works")
        finally:
            stop.give_up()
            serving.join()
    said = [json.loads(line) for line in log.getvalue().splitlines()]
    for message in ("task failed", "task recovered"):
        assert sorted(TASKS) == sorted(line["task"] for line in said if line["message"] == message)


def failed(place: Place, name: str) -> bool:
    often = value(place, "modelservice_task_failures_total", task=name) >= 3
    return often and not works(place, name)


def works(place: Place, name: str) -> bool:
    return value(place, "modelservice_task_failing", task=name) == 0
