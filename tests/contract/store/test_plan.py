"""Every change of the catalogue is one kind of change: guarded, audited, and without a trace if it has no effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from modelservice.errors import ConfirmationError
from modelservice.manage import sources
from modelservice.manage.auditing import list_audit
from modelservice.manage.history import revert
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import create_model, delete_models, list_models, update_models
from modelservice.manage.organizations import create_organization, delete_organization
from modelservice.manage.sources import list_sources, set_rank, withdraw_source
from tests.support.changes import (
    LITELLM,
    MODELS_DEV,
    OWN,
    QUOTA,
    delete,
    last_detail,
    revision,
    show,
    state,
    undelete,
    update,
)
from tests.support.models import entry


def many(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [entry(f"m-{number:02}", **fields) for number in range(count)]


# --- Ranks ------------------------------------------------------------------------------------------------------------


def test_another_rank_merges_again_what_the_source_states(url: str) -> None:
    state(url, LITELLM, entry("m", max_tokens=1), entry("n"))
    state(url, MODELS_DEV, entry("m", max_tokens=2))

    (outcome,) = set_rank(url, "test", LITELLM, 900)

    assert ({LITELLM: (100, 900)}, {"m": {"max_tokens": (2, 1)}}) == (outcome.ranks, outcome.changed)
    assert 1 == show(url, "m").max_tokens
    assert (900, 2, 0) == next((one.rank, one.models, one.guessed) for one in list_sources(url) if one.name == LITELLM)


def test_another_rank_counts_for_later_imports(url: str) -> None:
    list(set_rank(url, "test", LITELLM, 900))
    state(url, OWN, entry("m", max_tokens=2))
    state(url, LITELLM, entry("m", max_tokens=1))

    assert 1 == show(url, "m").max_tokens


def test_the_same_rank_again_leaves_no_trace(url: str) -> None:
    state(url, LITELLM, entry("m"))
    list(set_rank(url, "test", LITELLM, 900))
    before = revision(url)

    list(set_rank(url, "test", LITELLM, 900))

    assert before == revision(url)


def ranked(url: str, count: int) -> None:
    """Makes a catalogue of models whose value depends on which of two sources ranks higher."""
    state(url, LITELLM, *many(count, max_tokens=1))
    state(url, MODELS_DEV, *many(count, max_tokens=2))


def test_the_models_of_a_large_source_are_merged_in_several_transactions(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_MERGED_AT_ONCE", 3)
    ranked(url, 7)
    before = revision(url)

    outcomes = list(set_rank(url, "test", LITELLM, 900))

    assert [3, 3, 1] == [len(outcome.changed) for outcome in outcomes]
    assert before + 3 == revision(url)
    assert {1} == {model.max_tokens for model in list_models(url, None)}


def test_a_change_of_rank_that_was_interrupted_is_finished_by_the_next(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_MERGED_AT_ONCE", 3)
    ranked(url, 7)
    next(set_rank(url, "test", LITELLM, 900))
    assert [1] * 3 + [2] * 4 == sorted(model.max_tokens or 0 for model in list_models(url, None))

    outcomes = list(set_rank(url, "test", LITELLM, 900))

    assert 4 == sum(len(outcome.changed) for outcome in outcomes)
    assert {1} == {model.max_tokens for model in list_models(url, None)}


def test_a_dry_run_of_a_change_of_rank_is_one_outcome(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_MERGED_AT_ONCE", 3)
    ranked(url, 7)
    before = revision(url)

    (outcome,) = set_rank(url, "test", LITELLM, 900, dry_run=True)

    assert (7, before) == (len(outcome.changed), revision(url))


def test_the_undoing_of_a_change_of_rank_merges_all_models_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_MERGED_AT_ONCE", 3)
    ranked(url, 7)
    before = revision(url)
    list(set_rank(url, "test", LITELLM, 900))

    revert(url, "test", before + 1)

    assert {2} == {model.max_tokens for model in list_models(url, None)}


# --- The guard --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "removed", "guarded"),
    [(300, 20, False), (300, 21, True), (30, 3, False), (30, 4, True), (2, 1, False), (2, 2, True)],
)
def test_the_removal_of_many_models_must_be_confirmed(url: str, there: int, removed: int, guarded: bool) -> None:  # noqa: FBT001
    state(url, OWN, *(entry(f"m-{number:03}") for number in range(there)))
    kept = [entry(f"m-{number:03}") for number in range(removed, there)]
    before = revision(url)

    if guarded:
        with pytest.raises(ConfirmationError, match=rf"^{removed} of {there} system models would be removed: nothing"):
            state(url, OWN, *kept, prune=True)
        assert before == revision(url)
        assert removed == len(state(url, OWN, *kept, prune=True, dry_run=True).removed)
    assert removed == len(state(url, OWN, *kept, prune=True, confirmed=guarded).removed)


def test_withdrawals_and_deletions_are_guarded_too(url: str) -> None:
    state(url, OWN, *many(21))
    refs = [ModelRef(f"m-{number:02}") for number in range(21)]
    attempts: list[Callable[[], object]] = [
        lambda: withdraw_source(url, "test", OWN),
        lambda: delete_models(url, "test", refs),
        lambda: revert(url, "test", 1),
    ]

    for attempt in attempts:
        with pytest.raises(ConfirmationError, match="21 of 21 system models"):
            attempt()


# --- The audit --------------------------------------------------------------------------------------------------------


def audited(url: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Returns the models that the last row of the audit names, what happened to each, and its fields."""
    return [(item["model"], item["what"], item["fields"]) for item in last_detail(url)["models"]]


def test_an_import_is_audited_with_before_and_after(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1), entry("gone"))
    ((_, what, fields), _) = audited(url)
    assert ("added", [None, 1]) == (what, fields["max_tokens"])

    state(url, OWN, entry("m", max_tokens=2), prune=True)

    changed, removed = audited(url)
    assert ("m", "changed", {"max_tokens": [1, 2]}) == changed
    assert ("gone", "removed", ["p", None]) == (removed[0], removed[1], removed[2]["provider"])


def test_every_kind_of_change_is_audited_with_before_and_after(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1))
    found = {}
    changes: dict[str, Callable[[], object]] = {
        "models.update": lambda: update(url, "m", max_tokens=2),
        "revert": lambda: revert(url, "test", 2),
        "models.delete": lambda: delete(url, "m"),
        "models.undelete": lambda: undelete(url, "m"),
        "sources.withdraw": lambda: withdraw_source(url, "test", OWN),
    }
    for action, change in changes.items():
        change()
        assert action == list_audit(url, 0)[-1].action
        ((_, what, fields),) = audited(url)
        found[action] = (what, fields["max_tokens"])

    assert {
        "models.update": ("changed", [1, 2]),
        "revert": ("changed", [2, 1]),
        "models.delete": ("removed", [1, None]),
        "models.undelete": ("restored", [None, 1]),
        "sources.withdraw": ("removed", [1, None]),
    } == found


def test_the_audit_tells_a_model_from_a_deleted_one_of_the_same_name(url: str) -> None:
    for _ in range(8):
        state(url, LITELLM, entry("m", max_tokens=1))
        delete(url, "m")
        create_model(url, "test", None, None, {"name": "m", "display_name": "M", "provider": "p"}, prompt_quota=0)
        # Another model of the name, of which the same sources know.
        state(url, LITELLM, entry("m", max_tokens=1))
        state(url, MODELS_DEV, entry("m", max_tokens=2))
    there = show(url, "m")

    list(set_rank(url, "test", LITELLM, 900))

    assert [("m", str(there.id))] == [(item["model"], item["id"]) for item in last_detail(url)["models"]]


def test_an_update_of_several_models_names_each(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1), entry("n", max_tokens=2))
    update_models(url, "test", [ModelRef("n"), ModelRef("m")], {"max_tokens": 3}, prompt_quota=0)

    assert [("n", "changed", {"max_tokens": [2, 3]}), ("m", "changed", {"max_tokens": [1, 3]})] == audited(url)
    assert "n, m" == list_audit(url, 0)[-1].subject


def test_a_rank_is_audited_with_before_and_after(url: str) -> None:
    ranked(url, 1)
    list(set_rank(url, "test", LITELLM, 900))

    assert {LITELLM: [100, 900]} == last_detail(url)["ranks"]
    assert [("m-00", "changed", {"max_tokens": [2, 1]})] == audited(url)


def test_a_deleted_organization_is_audited_with_the_values_of_its_models(url: str) -> None:
    state(url, OWN, entry("m"))
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "m", {"name": "bot", "display_name": "Bot"}, prompt_quota=QUOTA)
    delete_organization(url, "test", "acme", cascade=True)

    (item,) = last_detail(url)["values"]
    assert ("acme: bot", "removed", ["Bot", None]) == (item["model"], item["what"], item["fields"]["display_name"])


def test_a_prompt_is_audited_as_its_digest(url: str) -> None:
    state(url, OWN, entry("m"))
    update(url, "m", system_prompt="a secret recipe")

    ((_, _, fields),) = audited(url)
    assert 15 == fields["system_prompt"][1]["characters"]
    assert "recipe" not in str(list_audit(url, 0))


# --- Nothing ----------------------------------------------------------------------------------------------------------


def test_what_has_no_effect_leaves_no_trace(url: str) -> None:
    state(url, OWN, entry("m", max_tokens=1, metadata={"a": 1}))
    update(url, "m", max_tokens=2)
    state(url, LITELLM, entry("gone"))
    withdraw_source(url, "test", LITELLM, confirmed=True)
    before = (revision(url), len(list_audit(url, 0)))
    nothing: list[Callable[[], object]] = [
        lambda: state(url, OWN, entry("m", max_tokens=1, metadata={"a": 1})),
        lambda: state(url, OWN, entry("m", max_tokens=1, metadata={"a": 1}), prune=True),
        lambda: state(url, OWN),
        lambda: update(url, "m", max_tokens=2),
        lambda: update(url, "m"),
        lambda: update(url, "m", metadata={}),
        lambda: update(url, "m", unset=["description"]),
        lambda: withdraw_source(url, "test", LITELLM),
        lambda: list(set_rank(url, "test", LITELLM, 100)),
        lambda: list(set_rank(url, "test", OWN, 500)),
        lambda: state(url, OWN, entry("m", max_tokens=9), dry_run=True),
    ]

    for change in nothing:
        change()

    assert before == (revision(url), len(list_audit(url, 0)))
