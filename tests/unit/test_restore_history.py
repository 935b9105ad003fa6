"""History, exports and the way back after a restore."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelservice.errors import InvalidValueError, NotFoundError
from modelservice.manage.history import revert, show_past
from modelservice.manage.lookup import ModelRef
from modelservice.manage.maintenance import backup, restore
from modelservice.manage.system_catalogue import Part, export_catalogue, import_parts
from tests.support.changes import OWN, revision, show, state
from tests.support.databases import migrated
from tests.support.models import entry


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database that was restored: its backup had three revisions, and it had seven."""
    url = migrated(tmp_path / "test.db")
    for value in (1, 2, 3):
        state(url, OWN, entry("m", max_tokens=value))
    backup(url, tmp_path / "backup.db")
    for value in (4, 5, 6, 7):
        state(url, OWN, entry("m", max_tokens=value))
    restore(url, "test", tmp_path / "backup.db")
    return url


def test_what_was_before_the_backup_is_known(url: str) -> None:
    assert [1, 2, 3] == [show_past(url, ModelRef("m"), number)[1].values["max_tokens"] for number in (1, 2, 3)]


def test_numbers_that_the_restore_skipped_have_the_state_of_the_backup(url: str) -> None:
    assert 3 == show_past(url, ModelRef("m"), 5)[1].values["max_tokens"]


def test_a_change_before_the_backup_is_undone(url: str) -> None:
    revert(url, "test", 3)

    assert 2 == show(url, "m").max_tokens


def test_a_change_that_the_restore_undid_is_not_undone(url: str) -> None:
    with pytest.raises(NotFoundError, match=r"^revision 6: changed no model and no source$"):
        revert(url, "test", 6)


def test_an_export_from_before_the_restore_is_refused(url: str, tmp_path: Path) -> None:
    old = f"sqlite:///{tmp_path / 'backup.db'}"
    export = export_catalogue(old)

    with pytest.raises(InvalidValueError, match=r"is another database's or was replaced by a restore"):
        import_parts(url, "test", [Part(OWN, export.models, export.revision)])


def test_an_export_from_after_the_restore_is_imported(url: str) -> None:
    export = export_catalogue(url)
    before = revision(url)

    assert import_parts(url, "test", [Part(OWN, export.models, export.revision)]).is_empty
    assert before == revision(url)


def test_a_number_that_a_restore_skipped_identifies_its_database(url: str, tmp_path: Path) -> None:
    other = migrated(tmp_path / "other.db")
    for value in range(6):
        state(other, OWN, entry("m", max_tokens=value))

    assert export_catalogue(url, 5).revision != export_catalogue(other, 5).revision
    assert export_catalogue(url, 5).revision.startswith("5-")
