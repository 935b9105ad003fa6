"""Models that are deleted, brought back, and purged."""

from __future__ import annotations

import pytest

from modelservice.errors import ConfirmationError, ConflictError, NotFoundError
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import create_model, delete_models, list_models
from modelservice.manage.organizations import create_organization, delete_organization
from modelservice.manage.purging import purge_model, purge_organization
from modelservice.manage.sources import withdraw_source
from tests.support.changes import LITELLM, OWN, QUOTA, delete, revision, show, state, undelete, update
from tests.support.databases import holders
from tests.support.models import entry

PROMPT = "a secret recipe"


def create_own(url: str, name: str = "bot", **fields: object) -> None:
    create_model(url, "test", "acme", "base", {"name": name, "display_name": "Bot", **fields}, prompt_quota=QUOTA)


@pytest.fixture
def url(url: str) -> str:
    """A database with a system model and an organization."""
    state(url, OWN, entry("base", max_tokens=5))
    create_organization(url, "test", "acme")
    return url


def test_a_deleted_model_comes_back_with_the_same_uuid_place_and_values(url: str) -> None:
    before = show(url, "base")
    delete(url, "base")
    assert [] == list_models(url, None)

    (after,) = undelete(url, "base").models

    assert (before.id, before.position, before.max_tokens) == (after.id, after.position, after.max_tokens)


def test_a_deleted_model_is_not_brought_back_by_an_import(url: str) -> None:
    before = show(url, "base")
    delete(url, "base")

    for entries in ([entry("base", max_tokens=6)], [entry("base", id=str(before.id), max_tokens=6)]):
        outcome = state(url, OWN, *entries)
        assert (["base"], {}) == (outcome.deleted, outcome.restored)

    assert [] == list_models(url, None)
    (after,) = undelete(url, "base").models
    # Meanwhile the source has changed what it states.
    assert (before.id, 6) == (after.id, after.max_tokens)


def test_the_name_of_a_deleted_model_can_be_used_again(url: str) -> None:
    before = show(url, "base")
    delete(url, "base")
    create_own_system(url, "base")

    assert before.id != show(url, "base").id


def create_own_system(url: str, name: str) -> None:
    create_model(url, "test", None, None, {"name": name, "display_name": "N", "provider": "p"}, prompt_quota=0)


def test_a_model_does_not_come_back_to_a_name_that_is_taken(url: str) -> None:
    delete(url, "base")
    create_own_system(url, "base")

    with pytest.raises(ConflictError, match=r"^model base: a system model has this name$"):
        undelete(url, "base")


def test_a_model_comes_back_under_another_name(url: str) -> None:
    before = show(url, "base")
    delete(url, "base")
    create_own_system(url, "base")

    outcome = undelete(url, "base", new_name="base-2").outcome

    assert ["base-2"] == [*outcome.restored]
    assert before.id == show(url, "base-2").id


def test_a_model_of_an_organization_does_not_come_back_to_the_name_of_a_system_model(url: str) -> None:
    create_own(url)
    delete(url, "bot", organization="acme")
    state(url, OWN, entry("bot"))

    with pytest.raises(ConflictError, match=r"^model bot: a system model has this name$"):
        undelete(url, "bot", organization="acme")


def test_a_prompt_does_not_come_back_and_that_is_said(url: str) -> None:
    create_own(url, system_prompt=PROMPT, description="d")
    delete(url, "bot", organization="acme")

    changed = undelete(url, "bot", organization="acme")

    assert ["acme: bot: system_prompt"] == changed.outcome.lost
    assert (None, "d") == (changed.model.system_prompt, changed.model.description)


def test_a_child_does_not_come_back_before_its_parent(url: str) -> None:
    create_own(url)
    delete(url, "bot", organization="acme")
    delete(url, "base")

    with pytest.raises(ConflictError, match=r"^model bot: its parent is deleted: undelete that first$"):
        undelete(url, "bot", organization="acme")
    undelete(url, "base")
    undelete(url, "bot", organization="acme")


def test_a_model_that_no_source_states_any_longer_does_not_come_back(url: str) -> None:
    delete(url, "base")
    withdraw_source(url, "test", OWN)

    with pytest.raises(ConflictError, match=r"^model base: no source states it any longer"):
        undelete(url, "base")


def test_what_was_never_deleted_does_not_come_back(url: str) -> None:
    with pytest.raises(NotFoundError, match=r"^model base: there is no deleted model"):
        undelete(url, "base")


def test_of_several_deleted_models_of_a_name_one_is_chosen_by_its_uuid(url: str) -> None:
    first = show(url, "base")
    delete(url, "base")
    create_own_system(url, "base")
    delete(url, "base")

    with pytest.raises(ConflictError, match=r"2 deleted models had this name: give a UUID: "):
        undelete(url, "base")
    undelete(url, str(first.id))
    assert first.id == show(url, "base").id


def test_several_models_are_deleted_and_come_back_together(url: str) -> None:
    state(url, LITELLM, *(entry(f"m-{number}") for number in range(3)))

    assert {"m-0", "m-2"} == {*delete(url, "m-0", "m-2").outcome.removed}
    assert ["m-0", "m-2"] == [model.name for model in undelete(url, "m-0", "m-2").models]


def test_none_of_several_is_deleted_if_one_is_not_there(url: str) -> None:
    before = revision(url)

    with pytest.raises(NotFoundError, match="none"):
        delete(url, "base", "none")

    assert before == revision(url)


def test_a_parent_is_deleted_with_its_children(url: str) -> None:
    create_own(url)

    delete_models(url, "test", [ModelRef("base"), ModelRef("bot", "acme")], confirmed=True)

    assert ([], []) == (list_models(url, None), list_models(url, "acme"))


def test_many_models_of_organizations_are_no_part_of_the_system_models(url: str) -> None:
    for number in range(21):
        create_own(url, f"bot-{number}")
    refs = [ModelRef(f"bot-{number}", "acme") for number in range(21)]

    delete_models(url, "test", refs[:2])
    undelete(url, "bot-0", "bot-1", organization="acme")
    with pytest.raises(ConfirmationError, match=r"^21 models would be removed: nothing was changed: add --yes$"):
        delete_models(url, "test", refs)


def test_purge_erases_the_values_of_a_model_from_every_table(url: str) -> None:
    create_own(url, description="about gherkins", system_prompt=PROMPT)
    update(url, "bot", organization="acme", description="about pickles", metadata={"k": "brine"})
    delete(url, "bot", organization="acme")
    texts = ("gherkins", "pickles", "brine")
    assert [{"layers", "audit"}] * 3 == [holders(url, text) for text in texts]

    purged = purge_model(url, "test", ModelRef("bot", "acme"))

    assert [set()] * 3 == [holders(url, text) for text in texts]
    assert (1, 3) == (purged.models, purged.audit_rows)


def test_purge_leaves_other_models_as_they_are(url: str) -> None:
    state(url, OWN, entry("base", description="about gherkins"), entry("other", description="about olives"))
    delete(url, "base")

    purge_model(url, "test", ModelRef("base"))

    assert set() == holders(url, "gherkins")
    assert {"models", "layers", "audit"} == holders(url, "olives")


def test_purge_keeps_the_values_of_a_model_with_the_same_name(url: str) -> None:
    first = show(url, "base")
    delete(url, "base")
    create_own_system(url, "base")
    update(url, "base", description="about olives")

    purge_model(url, "test", ModelRef(str(first.id)))

    assert {"models", "layers", "audit"} == holders(url, "olives")


def test_only_a_deleted_model_is_purged(url: str) -> None:
    with pytest.raises(NotFoundError, match="there is no deleted model"):
        purge_model(url, "test", ModelRef("base"))


def test_a_purged_model_does_not_come_back(url: str) -> None:
    delete(url, "base")
    purge_model(url, "test", ModelRef("base"))

    with pytest.raises(ConflictError, match="no source states it any longer"):
        undelete(url, "base")
    assert ["base"] == state(url, OWN, entry("base")).deleted


def test_purge_erases_the_values_of_a_deleted_organization(url: str) -> None:
    create_own(url, "one", description="about gherkins")
    create_own(url, "two", description="about pickles")
    with pytest.raises(ConflictError, match="organization acme: exists: delete it first"):
        purge_organization(url, "test", "acme")
    delete_organization(url, "test", "acme", cascade=True)
    assert {"layers", "audit"} == holders(url, "pickles")

    assert 2 == purge_organization(url, "test", "acme").models

    assert [set(), set()] == [holders(url, text) for text in ("gherkins", "pickles")]
