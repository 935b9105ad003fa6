"""Restoring a backup where there is no database that can be read."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from modelservice.errors import ConflictError, FileError
from modelservice.manage.maintenance import restore
from tests.support.backups import cut, damage, files, organizations, url_of
from tests.support.holder import Holder


def test_a_damaged_file_is_moved_aside(live: Path, copy: Path) -> None:
    damage(live)
    live.chmod(0o644)
    damaged = live.read_bytes()

    done = restore(url_of(live), "test", copy)

    assert ["before"] == organizations(live)
    assert done.kept
    assert damaged == done.kept.read_bytes()
    assert {live.name, done.kept.name} == files(live.parent)
    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in live.parent.iterdir()}


@pytest.mark.parametrize("how", [damage, cut], ids=["overwritten", "cut off"])
def test_the_log_of_a_damaged_file_goes_with_it_and_is_not_replayed(
    live: Path, copy: Path, how: Callable[[Path], None]
) -> None:
    Holder(live, "in-the-log").kill()
    how(live)

    done = restore(url_of(live), "test", copy)

    assert ["before"] == organizations(live)
    assert done.kept
    assert {live.name, done.kept.name, f"{done.kept.name}-wal"} == files(live.parent)
    with closing(sqlite3.connect(live)) as connection:
        assert ("ok",) == connection.execute("PRAGMA integrity_check").fetchone()


def test_a_damaged_file_that_another_process_has_open_is_left_alone(
    live: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelservice.store.restoring.LOCK_TIMEOUT", 0.05)
    with Holder(live, "held"):
        Path(f"{live}-wal").write_bytes(b"")
        damage(live)
        before = files(live.parent)

        with pytest.raises(ConflictError, match=rf"^{live}: is damaged, and another process has it open"):
            restore(url_of(live), "test", copy)
        assert before == files(live.parent)

    restore(url_of(live), "test", copy)
    assert ["before"] == organizations(live)


def test_a_file_that_was_put_over_one_that_is_open_is_left_alone(
    live: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelservice.store.restoring.LOCK_TIMEOUT", 0.05)
    with Holder(live, "held"):
        Path(f"{live}-wal").write_bytes(b"")
        other = live.with_name("other")
        damage(other)
        # The holder has the old file, and would write the log that lies beside the new one.
        other.rename(live)

        with pytest.raises(ConflictError, match="another process has it open"):
            restore(url_of(live), "test", copy)


def test_where_there_is_no_database_one_is_made(tmp_path: Path, copy: Path) -> None:
    new = tmp_path / "new.db"

    done = restore(url_of(new), "test", copy)

    assert ["before"] == organizations(new)
    assert (None, 2) == (done.kept, done.revision)
    assert 0o600 == stat.S_IMODE(new.stat().st_mode)


def test_a_log_without_its_database_is_not_replayed_over_the_backup(live: Path, copy: Path) -> None:
    Holder(live, "in-the-log").kill()
    log = Path(f"{live}-wal").read_bytes()
    live.unlink()

    restore(url_of(live), "test", copy)

    assert ["before"] == organizations(live)
    (kept,) = live.parent.glob("live.db.before-restore-*")
    assert log == kept.read_bytes()


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, copy: Path) -> None:
    with pytest.raises(FileError, match=rf"^{tmp_path}/none: is not a folder: create it first$"):
        restore(url_of(tmp_path / "none" / "new.db"), "test", copy)
