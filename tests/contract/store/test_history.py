"""What the catalogue was, and what changed."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import update as sql_update

from modelservice.errors import InvalidValueError, NotFoundError
from modelservice.manage.history import difference, history, resolve, show_past
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import create_model, update_models
from modelservice.manage.organizations import create_organization
from modelservice.manage.sources import set_rank
from modelservice.manage.system_catalogue import export_catalogue
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from modelservice.store.tables import revisions
from tests.support.changes import LITELLM, MODELS_DEV, OWN, QUOTA, delete, revision, show, state, undelete, update
from tests.support.databases import holders
from tests.support.models import entry

PROMPT = "a secret recipe"


def create_own(url: str, **fields: object) -> None:
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "m", {"name": "bot", "display_name": "Bot", **fields}, prompt_quota=QUOTA)


def at(url: str, number: int, seconds: int) -> None:
    """Dates a revision."""
    with Database(url, Access.WRITE).transaction() as connection:
        connection.execute(sql_update(revisions).where(revisions.c.number == number).values(created=seconds))


def test_history_has_each_change_of_a_value_with_its_sources(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    state(url, LITELLM, entry("m", max_tokens=2, context_window=3))
    update(url, "m", max_tokens=4)

    events = [event for event in history(url, ModelRef("m")) if event.field in ("max_tokens", "context_window")]

    assert [
        (1, "catalogue.import", (OWN,), "max_tokens", None, 1),
        (2, "catalogue.import", (LITELLM,), "context_window", 0, 3),
        (3, "models.update", ("manual",), "max_tokens", 1, 4),
    ] == [(one.revision, one.action, one.sources, one.field, one.before, one.after) for one in events]
    assert {"test"} == {event.actor for event in events}
    assert all(abs(time.time() - (event.time or 0)) < 3600 for event in events)


def test_history_names_a_revision_that_changed_no_value(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    state(url, LITELLM, entry("m", max_tokens=2))

    last = history(url, ModelRef("m"))[-1]
    assert (2, (LITELLM,), "") == (last.revision, last.sources, last.field)


def test_history_shows_prompts_as_digests(url: str) -> None:
    state(url, OWN, entry("m", system_prompt=PROMPT))

    (event,) = (event for event in history(url, ModelRef("m")) if event.field == "system_prompt")

    assert (None, 15) == (event.before, event.after["characters"])


def test_a_prompt_that_stays_is_no_change(url: str) -> None:
    state(url, OWN, entry("m", system_prompt=PROMPT))
    state(url, OWN, entry("m", system_prompt=PROMPT, max_tokens=1))

    assert ["max_tokens"] == [event.field for event in history(url, ModelRef("m")) if event.revision == 2]
    assert ["max_tokens"] == [change.field for change in difference(url, 1, None)]


def test_history_has_what_happened_to_a_deleted_model(url: str) -> None:
    state(url, OWN, entry("m"))
    delete(url, "m")

    gone = next(event for event in history(url, ModelRef("m")) if event.revision == 2)
    assert ("models.delete", "name", "m", None) == (gone.action, gone.field, gone.before, gone.after)


def test_there_is_no_history_of_what_never_was(url: str) -> None:
    with pytest.raises(NotFoundError):
        history(url, ModelRef("none"))


def test_a_difference_has_added_removed_and_changed_models(url: str) -> None:
    state(url, OWN, entry("a", max_tokens=1), entry("b"))
    begin = revision(url)
    state(url, OWN, entry("a", max_tokens=2), entry("c"))
    delete(url, "b")

    changes = difference(url, begin, None)

    assert [("b", "removed"), ("c", "added")] == sorted((one.model, one.what) for one in changes if not one.field)
    assert [("a", 1, 2)] == [(one.model, one.before, one.after) for one in changes if one.field == "max_tokens"]


def test_a_difference_ends_at_a_revision(url: str) -> None:
    for value in (1, 2, 3):
        state(url, OWN, entry("m", max_tokens=value))

    assert [("max_tokens", 1, 2)] == [(one.field, one.before, one.after) for one in difference(url, 1, 2)]
    assert [("max_tokens", 3, 1)] == [(one.field, one.before, one.after) for one in difference(url, 3, 1)]
    assert [] == difference(url, 2, 2)


def test_a_number_is_not_the_truth_value_that_python_holds_it_for(url: str) -> None:
    state(url, OWN, entry("m", metadata={"a": True}))

    outcome = state(url, OWN, entry("m", metadata={"a": 1}))

    assert ["m"] == [*outcome.changed]
    assert "1" == str(show(url, "m").metadata["a"])
    assert ["metadata"] == [one.field for one in difference(url, 1, None)]


def test_a_model_is_shown_as_it_was_at_a_revision(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    update(url, "m", max_tokens=2)
    delete(url, "m")

    assert [1, 2] == [show_past(url, ModelRef("m"), number)[1].values["max_tokens"] for number in (1, 2)]
    with pytest.raises(NotFoundError, match=r"^model m: there was no such model at revision 3$"):
        show_past(url, ModelRef("m"), 3)


def test_a_model_is_shown_as_it_was_at_a_time(url: str) -> None:
    for value, seconds in ((1, 1_000), (2, 2_000), (3, 3_000)):
        state(url, OWN, entry("m", max_tokens=value))
        at(url, value, seconds)

    found = {seconds: show_past(url, ModelRef("m"), f"@{seconds}") for seconds in (1_000, 2_999, 3_000, 9_000)}

    assert {1_000: (1, 1), 2_999: (2, 2), 3_000: (3, 3), 9_000: (3, 3)} == {
        seconds: (number, past.values["max_tokens"]) for seconds, (number, past) in found.items()
    }
    with pytest.raises(NotFoundError, match=r"^model m: there was no such model at revision 0$"):
        show_past(url, ModelRef("m"), "@999")


def test_a_model_that_came_back_under_another_name_had_its_own_before(url: str) -> None:
    state(url, OWN, entry("m"))
    before = show(url, "m")
    delete(url, "m")
    undelete(url, "m", new_name="n")

    assert before.id == show_past(url, ModelRef("m"), 1)[1].record.id == show_past(url, ModelRef("n"), 3)[1].record.id


def test_a_model_of_an_organization_is_shown_although_its_parent_is_gone(url: str) -> None:
    state(url, OWN, entry("m", context_window=9))
    create_own(url, context_window=5)
    then = revision(url)
    delete(url, "bot", organization="acme")
    delete(url, "m")

    assert 5 == show_past(url, ModelRef("bot", "acme"), then)[1].values["context_window"]


def test_ranks_of_then_decide_what_a_model_was(url: str) -> None:
    state(url, LITELLM, entry("m", max_tokens=1))
    state(url, MODELS_DEV, entry("m", max_tokens=2))
    list(set_rank(url, "test", LITELLM, 900))

    assert [2, 1] == [show_past(url, ModelRef("m"), number)[1].values["max_tokens"] for number in (2, 3)]


def test_an_export_of_the_past_has_what_there_was(url: str) -> None:
    state(url, OWN, entry("a", max_tokens=1, system_prompt=PROMPT), entry("b"))
    expected = export_catalogue(url)
    update(url, "a", max_tokens=2)
    delete(url, "b")

    found = export_catalogue(url, 1)

    assert expected.revision == found.revision
    # History has prompts as digests.
    assert [
        {name: value for name, value in one.items() if name != "system_prompt"} for one in expected.models
    ] == found.models


@pytest.mark.parametrize("moment", ["x", "@", "@1.5", "-1", "1 "])
def test_what_is_neither_a_revision_nor_a_time_is_refused(url: str, moment: str) -> None:
    with pytest.raises(InvalidValueError, match="must be a revision or a time"):
        resolve(url, moment)


def test_a_revision_that_is_yet_to_come_is_refused(url: str) -> None:
    state(url, OWN, entry("m"))

    with pytest.raises(NotFoundError, match=r"^revision 2: does not exist: the last is 1$"):
        resolve(url, 2)


def test_prompts_are_digests_wherever_they_no_longer_count(url: str) -> None:
    state(url, OWN, entry("m", system_prompt="the pinned recipe of the file"))
    create_own(url, system_prompt=PROMPT)
    update(url, "bot", organization="acme", system_prompt="another one")
    update(url, "m", system_prompt="the recipe of an update")
    state(url, OWN, entry("m", system_prompt="the new recipe of the file"))

    assert set() == holders(url, PROMPT) | holders(url, "the pinned recipe of the file")
    # What is stated and does not count now is needed when it does again.
    assert {"layers"} == holders(url, "the new recipe of the file")
    assert {"models", "layers"} == holders(url, "the recipe of an update")


DAY = 86_400


def test_history_ends_where_days_are_bounded(url: str) -> None:
    for value in (1, 2, 3):
        state(url, OWN, entry("m", max_tokens=value))
        at(url, value, int(time.time()) - (10 - value) * DAY)
    update_models(url, "test", [ModelRef("m")], {"max_tokens": 4}, prompt_quota=QUOTA, history_days=8)

    # Of 8 days ago, the state is known; what had ended before is removed.
    assert 2 == show_past(url, ModelRef("m"), 2)[1].values["max_tokens"]
    with pytest.raises(NotFoundError, match=r"^revision 1: history begins with 2$"):
        show_past(url, ModelRef("m"), 1)
    with read(Database(url, Access.READ)) as queries:
        assert 2 == queries.history_from()
    assert [3, 4] == sorted({event.revision for event in history(url, ModelRef("m"))})


def test_history_that_begins_late_shows_differences_alone(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1, context_window=7))
    create_organization(url, "test", "acme")
    at(url, 1, 1_000)
    at(url, 2, 2_000)
    update_models(url, "test", [ModelRef("m")], {"max_tokens": 2}, prompt_quota=QUOTA, history_days=1)

    assert [("max_tokens", 1, 2)] == [(one.field, one.before, one.after) for one in history(url, ModelRef("m"))]


def test_history_without_bounds_is_kept(url: str) -> None:
    for value in (1, 2):
        state(url, OWN, entry("m", max_tokens=value))
        at(url, value, value)
    state(url, OWN, entry("m", max_tokens=3), history_days=0)

    assert 1 == show_past(url, ModelRef("m"), 1)[1].values["max_tokens"]
