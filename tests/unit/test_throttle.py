"""Long work lets others work."""

from __future__ import annotations

import gc

import pytest

from modelservice.catalogue.throttle import Pace, let_go, without_collections


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made."""
    pauses: list[float] = []
    monkeypatch.setattr("modelservice.catalogue.throttle.time.sleep", pauses.append)
    return pauses


def test_it_pauses_when_a_slice_is_over_and_not_before(paused: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("modelservice.catalogue.throttle.time.thread_time", lambda: now[0])
    pace = Pace(hurried=False)
    pace()
    now[0] += 0.0015
    pace()
    assert [] == paused
    now[0] += 0.001
    pace()
    assert 1 == len(paused)
    pace()
    assert 1 == len(paused)


def test_nobody_waits_while_nobody_is_served(paused: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("modelservice.catalogue.throttle.time.thread_time", lambda: now[0])
    pace = Pace(hurried=True)
    now[0] += 1
    pace()

    assert [] == paused


def test_what_is_let_go_is_let_go_a_little_at_a_time() -> None:
    items: list[object] = [object() for _ in range(1_001)]
    left: list[int] = []

    let_go(items, lambda: left.append(len(items)))

    assert [801, 601, 401, 201, 1, 0] == left


def test_collections_come_back_whatever_happens() -> None:
    def fail() -> None:
        with without_collections():
            enabled.append(gc.isenabled())
            raise ZeroDivisionError

    enabled: list[bool] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert ([False], True) == (enabled, gc.isenabled())
