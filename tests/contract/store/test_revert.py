"""The way back: a change is undone by another."""

from __future__ import annotations

import pytest

from modelservice.errors import ConfirmationError, ConflictError, NotFoundError
from modelservice.manage.auditing import list_audit
from modelservice.manage.history import difference, revert
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import create_model, list_models, update_models
from modelservice.manage.organizations import create_organization, delete_organization
from modelservice.manage.outcome import Outcome
from modelservice.manage.purging import purge_model
from modelservice.manage.sources import list_sources, set_rank, withdraw_source
from tests.support.changes import (
    LITELLM,
    MODELS_DEV,
    OWN,
    QUOTA,
    delete,
    guess,
    layers_of,
    revision,
    show,
    state,
    undelete,
    update,
)
from tests.support.models import entry

PROMPT = "a secret recipe"


def undo(url: str, number: int | None = None) -> Outcome:
    """Reverts a revision; the last without a number."""
    return revert(url, "test", number or revision(url), confirmed=True)


def test_an_import_is_undone(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    state(url, OWN, entry("m", max_tokens=2), entry("n"))

    outcome = undo(url)

    assert (["n"], {"max_tokens": (2, 1)}) == ([*outcome.removed], outcome.changed["m"])
    assert [] == difference(url, 1, None)


def test_what_an_import_began_to_state_is_withdrawn(url: str) -> None:
    state(url, OWN, entry("m"))
    guess(url, LITELLM, "m", {"description": "guessed"}, max_tokens=2)

    undo(url)

    assert {(OWN, False)} == layers_of(url, "m")
    assert [] == difference(url, 1, None)


def test_a_model_whose_import_was_undone_has_the_same_uuid_when_it_is_imported_again(url: str) -> None:
    state(url, OWN, entry("m"))
    before = show(url, "m")
    undo(url)
    assert [] == list_models(url, None)

    outcome = state(url, OWN, entry("m"))

    assert ["m"] == [*outcome.restored]
    assert (before.id, before.position) == (show(url, "m").id, show(url, "m").position)


def test_the_undoing_of_an_import_disables_a_parent_that_has_children(url: str) -> None:
    state(url, OWN, entry("m"))
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "m", {"name": "bot", "display_name": "Bot"}, prompt_quota=QUOTA)

    assert {"m": {"enabled": (True, False)}} == undo(url, 1).disabled


def test_an_update_is_undone(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    update(url, "m", max_tokens=2, description="d")

    undo(url)

    assert (1, None) == (show(url, "m").max_tokens, show(url, "m").description)
    assert {(OWN, False)} == layers_of(url, "m")


def test_an_update_of_several_models_is_undone(url: str) -> None:
    state(url, OWN, entry("m"), entry("n"))
    update_models(url, "test", [ModelRef("m"), ModelRef("n")], {"max_tokens": 5}, prompt_quota=0)

    assert {"m", "n"} == {*undo(url).changed}


def test_a_deletion_is_undone(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    before = show(url, "m")
    delete(url, "m")

    assert ["m"] == [*undo(url).restored]
    assert (before.id, 1) == (show(url, "m").id, show(url, "m").max_tokens)


def test_an_undeletion_is_undone_and_the_name_with_it(url: str) -> None:
    state(url, OWN, entry("m"))
    before = show(url, "m")
    delete(url, "m")
    undelete(url, "m", new_name="n")

    assert ["n"] != [*undo(url).removed]
    assert [] == list_models(url, None)
    undelete(url, "m")
    assert before.id == show(url, "m").id


def test_a_creation_is_undone(url: str) -> None:
    create_model(url, "test", None, None, {"name": "m", "display_name": "M", "provider": "p"}, prompt_quota=0)

    assert ["m"] == [*undo(url).removed]
    assert [] == list_models(url, None)


def test_a_withdrawal_is_undone(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1), entry("n"))
    state(url, LITELLM, entry("m", max_tokens=2, context_window=3))
    withdraw_source(url, "test", OWN, confirmed=True)

    undo(url)

    assert [] == difference(url, 2, None)


def test_a_rank_is_undone(url: str) -> None:
    state(url, LITELLM, entry("m", max_tokens=1))
    state(url, MODELS_DEV, entry("m", max_tokens=2))
    list(set_rank(url, "test", LITELLM, 900))

    outcome = undo(url)

    assert {LITELLM: (900, 100)} == outcome.ranks
    assert 2 == show(url, "m").max_tokens


def test_the_first_rank_of_a_source_that_states_nothing_is_undone(url: str) -> None:
    list(set_rank(url, "test", LITELLM, 900))

    undo(url)

    assert 100 == next(source.rank for source in list_sources(url) if source.name == LITELLM)


def test_the_undoing_is_undone(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    update(url, "m", max_tokens=2)
    undo(url)

    undo(url)

    assert 2 == show(url, "m").max_tokens
    assert [] == difference(url, 2, None)


def test_a_change_is_undone_beneath_later_ones_of_other_sources(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1, context_window=1))
    state(url, OWN, entry("m", max_tokens=2, context_window=2))
    update(url, "m", max_tokens=3)

    undo(url, 2)

    assert (3, 1) == (show(url, "m").max_tokens, show(url, "m").context_window)


def test_a_change_that_later_ones_changed_again_is_not_undone_and_the_models_are_named(url: str) -> None:
    state(url, OWN, entry("m"), entry("n"), entry("o"))
    state(url, OWN, entry("m", max_tokens=2), entry("n", max_tokens=2), entry("o", max_tokens=2))
    state(url, OWN, entry("m", max_tokens=3), entry("n", max_tokens=3))
    before = revision(url)

    with pytest.raises(ConflictError, match=r"^revision 2: later revisions changed the same: m, n$"):
        undo(url, 2)

    assert before == revision(url)


def test_a_rank_that_later_ones_changed_again_is_not_undone(url: str) -> None:
    state(url, LITELLM, entry("m"))
    for rank in (900, 901):
        list(set_rank(url, "test", LITELLM, rank))

    with pytest.raises(ConflictError, match=r"^revision 2: later revisions changed the same: source litellm$"):
        undo(url, 2)


def test_an_earlier_change_is_undone_without_renaming_what_came_back_under_another_name(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    state(url, OWN, entry("m", max_tokens=2))
    delete(url, "m")
    undelete(url, "m", new_name="n")

    undo(url, 2)

    assert 1 == show(url, "n").max_tokens


def test_a_model_does_not_come_back_to_a_name_that_was_taken_meanwhile(url: str) -> None:
    state(url, OWN, entry("m"))
    delete(url, "m")
    create_model(url, "test", None, None, {"name": "m", "display_name": "M", "provider": "p"}, prompt_quota=0)

    with pytest.raises(ConflictError, match=r"^model m: a system model has this name$"):
        undo(url, 2)


def test_a_prompt_does_not_come_back_and_that_is_said(url: str) -> None:
    state(url, OWN, entry("m"))
    update(url, "m", system_prompt=PROMPT)
    update(url, "m", system_prompt="another")

    assert ["m: system_prompt"] == undo(url).lost
    assert show(url, "m").system_prompt is None


def test_a_prompt_that_the_change_left_alone_stays(url: str) -> None:
    state(url, OWN, entry("m"))
    update(url, "m", system_prompt=PROMPT, max_tokens=1)
    update(url, "m", max_tokens=2)

    assert [] == undo(url).lost
    assert (PROMPT, 1) == (show(url, "m").system_prompt, show(url, "m").max_tokens)


def test_a_dry_run_changes_nothing(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    update(url, "m", max_tokens=2)

    planned = revert(url, "test", 2, dry_run=True)

    assert {"m": {"max_tokens": (2, 1)}} == planned.changed
    assert (2, 2) == (revision(url), show(url, "m").max_tokens)


def test_the_removal_of_many_models_must_be_confirmed(url: str) -> None:
    state(url, OWN, entry("kept"))
    state(url, LITELLM, *(entry(f"m-{number}") for number in range(21)))

    with pytest.raises(ConfirmationError, match=r"^21 of 22 system models would be removed"):
        revert(url, "test", 2)


@pytest.mark.parametrize(
    ("number", "line"),
    [(0, "changed no model"), (2, "changed no model and no source"), (9, "does not exist: the last is 2")],
)
def test_what_changed_nothing_is_not_undone(url: str, number: int, line: str) -> None:
    state(url, OWN, entry("m"))
    create_organization(url, "test", "acme")

    with pytest.raises(NotFoundError, match=line):
        revert(url, "test", number)


def test_a_purge_is_not_undone(url: str) -> None:
    state(url, OWN, entry("m"))
    delete(url, "m")
    purge_model(url, "test", ModelRef("m"))

    with pytest.raises(NotFoundError, match=r"^revision 3: purged values: they are gone$"):
        undo(url)


def test_models_of_an_organization_that_was_deleted_do_not_come_back_without_it(url: str) -> None:
    state(url, OWN, entry("m"))
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "m", {"name": "bot", "display_name": "Bot"}, prompt_quota=QUOTA)
    delete_organization(url, "test", "acme", cascade=True)

    with pytest.raises(NotFoundError, match="organization acme: does not exist"):
        undo(url)


def test_a_child_does_not_come_back_without_its_parent(url: str) -> None:
    state(url, OWN, entry("m"))
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "m", {"name": "bot", "display_name": "Bot"}, prompt_quota=QUOTA)
    delete(url, "bot", organization="acme")
    deleted = revision(url)
    delete(url, "m")

    with pytest.raises(ConflictError, match=r"^model bot: its parent is deleted: undelete that first$"):
        undo(url, deleted)


def test_a_parent_with_children_does_not_vanish_with_the_mark_that_is_put_back(url: str) -> None:
    state(url, OWN, entry("m"))
    delete(url, "m")
    undelete(url, "m")
    undeleted = revision(url)
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "m", {"name": "bot", "display_name": "Bot"}, prompt_quota=QUOTA)

    with pytest.raises(ConflictError, match=r"^model m: 1 models of organizations inherit from it$"):
        undo(url, undeleted)


def test_the_undoing_is_audited(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    update(url, "m", max_tokens=2)
    undo(url)

    row = list_audit(url, 0)[-1]
    (item,) = row.detail["models"]
    assert ("revert", "2", {"max_tokens": [2, 1]}) == (row.action, row.subject, item["fields"])
