"""Long work lets others work."""

from __future__ import annotations

import gc

import pytest

from modelservice.catalogue.throttle import Throttle, free_in_batches, garbage_collector_paused


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made."""
    pauses: list[float] = []
    monkeypatch.setattr("modelservice.catalogue.throttle.time.sleep", pauses.append)
    return pauses


def test_it_pauses_when_a_slice_is_over_and_not_before(paused: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("modelservice.catalogue.throttle.time.thread_time", lambda: now[0])
    throttle = Throttle(enabled=True)
    throttle()
    now[0] += 0.0015
    throttle()
    assert [] == paused
    now[0] += 0.001
    throttle()
    assert 1 == len(paused)
    throttle()
    assert 1 == len(paused)


def test_nobody_waits_while_nobody_is_served(paused: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("modelservice.catalogue.throttle.time.thread_time", lambda: now[0])
    throttle = Throttle(enabled=False)
    now[0] += 1
    throttle()

    assert [] == paused


def test_items_are_freed_in_batches() -> None:
    items: list[object] = [object() for _ in range(1_001)]
    left: list[int] = []

    free_in_batches(items, lambda: left.append(len(items)))

    assert [801, 601, 401, 201, 1, 0] == left


def test_collections_come_back_whatever_happens() -> None:
    def fail() -> None:
        with garbage_collector_paused():
            enabled.append(gc.isenabled())
            raise ZeroDivisionError

    enabled: list[bool] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert ([False], True) == (enabled, gc.isenabled())
