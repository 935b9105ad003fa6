"""A backup is restored while servers answer: no call fails, and what they serve is the backup."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Self

import pytest

from modelservice.manage.maintenance import backup
from tests.faults.serving import AGAIN, CANNOT, Serving, file_of, serving
from tests.support.backups import damage
from tests.support.harness import Place, wait_until
from tests.support.holder import Holder
from tests.support.service import prepare


class Readers:
    """Callers who ask again and again, and count what fails: bounded in number and in time."""

    def __init__(self, server: Serving) -> None:
        self._server = server
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]
        self.answered = 0
        self.failed = 0

    def _ask(self) -> None:
        for _ in range(100_000):
            if self._enough.wait(0.001):
                return
            if self._server.answers():
                self.answered += 1
            else:
                self.failed += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def copy(place: Place) -> Path:
    """Where the backup goes."""
    return place.folder / "copy.db"


def test_servers_go_on_answering_and_load_it(place: Place, copy: Path) -> None:
    with serving(place) as server:
        server.change(7)
        backup(place.database_url, copy)
        server.change(8)
        server.wait_for_change(8)
        with Readers(server) as readers:
            for _ in range(3):
                place.command("restore", str(copy))
                server.wait_for_change(7)
                server.change(8)
                server.wait_for_change(8)
            enough = readers.answered + 100
            wait_until(lambda: readers.answered > enough, "the readers go on")

        assert 0 == readers.failed
        assert CANNOT not in server.process.errors
        # Whole each time, however the histories are related.
        assert 4 == server.process.errors.count('"catalogue loaded"')


@pytest.mark.parametrize("further", [False, True], ids=["older", "further on"])
def test_it_is_loaded_whichever_history_is_longer(place: Place, copy: Path, *, further: bool) -> None:
    key = prepare(place).reader
    backup(place.database_url, copy)
    with serving(place, key) as server:
        server.change(5)
        server.wait_for_change(5)
        if further:
            for window in (6, 7, 8):
                server.change(window, f"sqlite:///{copy}")

        place.command("restore", str(copy))

        server.wait_for_change(8 if further else 128_000)
        # And goes on from there.
        server.change(9)
        server.wait_for_change(9)


def test_a_key_that_the_backup_does_not_have_is_refused(place: Place, copy: Path) -> None:
    with serving(place) as server:
        backup(place.database_url, copy)
        created = place.command("keys", "create", "--organization", "acme", "--scope", "models:read").stdout.split()
        key = next(word for word in created if word.count("_") >= 2)
        wait_until(lambda: server.admits(key), "the new key opens the service")

        place.command("restore", str(copy))

        wait_until(lambda: not server.admits(key), "the key is gone with the restore")


def test_the_log_of_a_writer_that_was_killed_does_not_come_back(place: Place, copy: Path) -> None:
    with serving(place) as server:
        backup(place.database_url, copy)
        Holder(file_of(place), "killed").kill()
        assert Path(f"{file_of(place)}-wal").stat().st_size

        place.command("restore", str(copy))

        assert "killed" not in place.command("organizations", "list").stdout
        with closing(sqlite3.connect(file_of(place))) as connection:
            assert ("ok",) == connection.execute("PRAGMA integrity_check").fetchone()
        server.change(5)
        server.wait_for_change(5)


def test_a_file_that_is_overwritten_is_replaced_under_running_servers(place: Place, copy: Path) -> None:
    with serving(place) as server:
        backup(place.database_url, copy)
        server.change(5)
        server.wait_for_change(5)
        damage(file_of(place))
        server.process.wait_for(CANNOT)
        assert 5 == server.context_window()

        place.command("restore", str(copy))

        server.process.wait_for(AGAIN)
        server.wait_for_change(128_000)
        server.change(6)
        server.wait_for_change(6)
