"""A SQLite file that is full, locked, overwritten or replaced: a write fails cleanly, reads go on."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from modelservice.errors import DatabaseUnavailableError
from modelservice.manage.maintenance import backup
from modelservice.manage.organizations import create_organization
from modelservice.manage.system_catalogue import import_catalogue
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from tests.faults.serving import AGAIN, CANNOT, file_of, serving
from tests.support.backups import full_disk
from tests.support.harness import Place, wait_until
from tests.support.models import entry
from tests.support.service import prepare


def test_a_full_disk_fails_the_write_and_loses_nothing(place: Place) -> None:
    with serving(place) as server:
        with full_disk(), pytest.raises(DatabaseUnavailableError, match="database or disk is full"):
            import_catalogue(place.database_url, "test", [entry(f"m-{n}", description="x" * 4_000) for n in range(500)])
        assert 128_000 == server.context_window()
        server.change(5)
        server.wait_for_change(5)
        found = read_changes(Database(place.database_url, Access.READ), None)
        assert found
        assert 10 == len(found.models)


def test_one_that_is_locked_fails_the_write_and_stops_no_reader(place: Place) -> None:
    with serving(place) as server, closing(sqlite3.connect(file_of(place), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailableError, match="database is locked"):
            server.change(5)
        assert 128_000 == server.context_window()
        other.execute("ROLLBACK")

        server.change(5)
        server.wait_for_change(5)
        assert CANNOT not in server.process.errors


def test_one_that_is_overwritten_is_said_so_and_answers_go_on(place: Place) -> None:
    with serving(place) as server:
        copy = place.folder / "copy.db"
        backup(place.database_url, copy)
        content = file_of(place).read_bytes()
        file_of(place).write_bytes(b"no database" * (len(content) // 11))
        for beside in ("-wal", "-shm"):
            (place.folder / f"test.db{beside}").unlink(missing_ok=True)

        server.process.wait_for(CANNOT)
        assert 128_000 == server.context_window()
        with pytest.raises(DatabaseUnavailableError, match=r"file is not a database|malformed"):
            create_organization(place.database_url, "test", "other")

        place.command("restore", str(copy))
        server.process.wait_for(AGAIN)
        server.change(5)
        server.wait_for_change(5)


def test_pages_that_are_overwritten_are_said_so_and_answers_go_on(place: Place) -> None:
    with serving(place) as server:
        Database(place.database_url, Access.CREATE).allow_reads_during_writes()
        content = bytearray(file_of(place).read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        file_of(place).write_bytes(content)
        for beside in ("-wal", "-shm"):
            (place.folder / f"test.db{beside}").unlink(missing_ok=True)

        server.process.wait_for(CANNOT)
        assert "malformed" in server.process.errors
        assert 128_000 == server.context_window()


@pytest.mark.parametrize("further", [False, True], ids=["older", "further on"])
def test_another_file_in_its_place_is_loaded_whole(place: Place, *, further: bool) -> None:
    key = prepare(place).reader
    copy = place.folder / "copy.db"
    backup(place.database_url, copy)
    with serving(place, key) as server:
        server.change(5)
        server.wait_for_change(5)
        if further:
            for window in (6, 7, 8):
                server.change(window, f"sqlite:///{copy}")

        for beside in ("-wal", "-shm"):
            (place.folder / f"test.db{beside}").unlink(missing_ok=True)
        copy.rename(file_of(place))

        server.wait_for_change(8 if further else 128_000)
        wait_until(lambda: 2 == server.process.errors.count('"catalogue loaded"'), "it is loaded whole")


def test_a_file_that_is_gone_is_waited_for(place: Place) -> None:
    with serving(place) as server:
        away = place.folder / "away.db"
        file_of(place).rename(away)
        server.process.wait_for(CANNOT)
        assert 128_000 == server.context_window()

        away.rename(file_of(place))

        server.process.wait_for(AGAIN)
        server.change(5)
        server.wait_for_change(5)
