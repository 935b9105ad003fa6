from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelservice.domain import Model
from modelservice.errors import ConflictError, InvalidValueError
from modelservice.manage.catalogue import documented, import_catalogue, load_documented
from modelservice.manage.database import migrate
from modelservice.store.database import Access, Database
from modelservice.store.reading import read_changes


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(made)
    return made


def stored(url: str) -> list[Model]:
    read = read_changes(Database(url, Access.READ), None)
    assert read is not None
    return list(read.models)


def entry(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "display_name": name, "provider": "p"} | fields


def test_the_documented_catalogue_is_loaded_once(url: str) -> None:
    assert load_documented(url)
    assert not load_documented(url)

    models = stored(url)
    assert [fields["name"] for fields in documented()] == [model.name for model in models]
    assert list(range(1, 11)) == [model.position for model in models]
    # Written down, so the same in every installation.
    assert [fields["id"] for fields in documented()] == [str(model.id) for model in models]


def test_a_database_with_models_is_left_as_it_is(url: str) -> None:
    import_catalogue(url, [entry("mine")])

    assert not load_documented(url)
    assert ["mine"] == [model.name for model in stored(url)]


def test_the_same_file_again_changes_nothing(url: str) -> None:
    first = import_catalogue(url, documented())
    before = stored(url)
    second = import_catalogue(url, documented())

    assert (10, 0, 0) == (len(first.added), len(first.changed), len(first.unchanged))
    assert (0, 0, 10) == (len(second.added), len(second.changed), len(second.unchanged))
    assert before == stored(url)


def test_a_changed_model_keeps_its_id_its_creation_and_its_place(url: str) -> None:
    import_catalogue(url, [entry("a", created=5), entry("b"), entry("c")])
    before = stored(url)

    report = import_catalogue(url, [entry("d"), entry("a", display_name="New"), entry("c")])

    assert (("d",), ("a",), ("c",)) == (report.added, report.changed, report.unchanged)
    after = stored(url)
    assert ["a", "b", "c", "d"] == [model.name for model in after]
    assert (before[0].id, 5, "New") == (after[0].id, after[0].created, after[0].display_name)
    assert after[0].updated > before[0].updated
    assert before[1:] == after[1:3]


A_UUID = "550e8400-e29b-41d4-a716-446655440000"
BAD: list[tuple[list[dict[str, Any]], type[Exception], str]] = [
    ([entry("a", speed=5)], InvalidValueError, "model a: speed: there is no such field"),
    ([entry("a", position=5)], InvalidValueError, "model a: position: there is no such field"),
    ([{"name": "a", "provider": "p"}], InvalidValueError, "model a: display_name: is missing"),
    ([entry("a", capabilities="text")], InvalidValueError, "model a: capabilities is 'text': must be a list"),
    ([entry("a", id="x")], InvalidValueError, "model a: id is 'x': must be a UUID"),
    ([entry("a"), entry("a")], ConflictError, "name a: stands there twice"),
    ([entry("a", id=A_UUID), entry("b", id=A_UUID)], ConflictError, f"id {A_UUID}: stands there twice"),
    ([entry("a"), entry("held", id=A_UUID)], ConflictError, "model held: has the id .*, which never changes"),
    ([entry("a", enabled="maybe")], InvalidValueError, "model a: enabled is 'maybe'"),
]


@pytest.mark.parametrize(("entries", "error", "sentence"), BAD)
def test_one_bad_entry_and_nothing_is_imported(
    url: str, entries: list[dict[str, Any]], error: type[Exception], sentence: str
) -> None:
    import_catalogue(url, [entry("held")])
    before = stored(url)

    with pytest.raises(error, match=f"^{sentence}"):
        import_catalogue(url, [entry("good"), *entries])

    assert before == stored(url)


def test_the_id_of_another_model_is_refused(url: str) -> None:
    import_catalogue(url, [entry("held", id=A_UUID)])

    with pytest.raises(ConflictError, match=f"model new: the id {A_UUID} belongs to held"):
        import_catalogue(url, [entry("new", id=A_UUID)])
