"""Sources that are withdrawn, and what becomes of the models that no other states."""

from __future__ import annotations

from typing import Any

import pytest

from modelservice.errors import NotFoundError
from modelservice.manage.models import create_model, list_models
from modelservice.manage.organizations import create_organization
from modelservice.manage.sources import withdraw_source
from tests.support.changes import (
    LITELLM,
    OWN,
    QUOTA,
    guess,
    layers_of,
    revision,
    show,
    state,
    update,
)
from tests.support.models import entry


def test_withdrawal_removes_what_that_source_states_and_nothing_else(url: str) -> None:
    state(url, OWN, entry("both", max_tokens=1), entry("mine"))
    guess(url, LITELLM, "both", {"description": "guessed"}, max_tokens=2, context_window=3)
    state(url, LITELLM, entry("theirs"))

    planned = withdraw_source(url, "test", LITELLM, dry_run=True)
    outcome = withdraw_source(url, "test", LITELLM, confirmed=True)

    assert planned == outcome
    assert ["theirs"] == [*outcome.removed]
    assert {"context_window": (3, 0), "description": ("guessed", None)} == outcome.changed["both"]
    assert {"both", "mine"} == {model.name for model in list_models(url, None)}
    assert {(OWN, False)} == layers_of(url, "both")


def test_a_source_that_never_was_cannot_be_withdrawn(url: str) -> None:
    with pytest.raises(NotFoundError, match="source none: does not exist"):
        withdraw_source(url, "test", "none")


def with_a_child(url: str, **fields: Any) -> None:
    state(url, OWN, entry("parent", max_tokens=1, **fields), entry("other"))
    create_organization(url, "test", "acme")
    create_model(url, "test", "acme", "parent", {"name": "child", "display_name": "Child"}, prompt_quota=QUOTA)


def test_a_parent_that_no_source_states_any_longer_is_disabled_and_named(url: str) -> None:
    with_a_child(url)

    outcome = withdraw_source(url, "test", OWN, confirmed=True)

    assert (["other"], {"parent": {"enabled": (True, False)}}) == ([*outcome.removed], outcome.disabled)
    assert (1, False) == (show(url, "parent").max_tokens, show(url, "parent").enabled)
    assert 1 == show(url, "child", "acme").max_tokens


def test_a_parent_is_disabled_even_if_a_command_enabled_it(url: str) -> None:
    with_a_child(url, enabled=False)
    update(url, "parent", enabled=True)

    outcome = withdraw_source(url, "test", OWN, confirmed=True)

    assert {"parent": {"enabled": (True, False)}} == outcome.disabled
    assert not show(url, "parent").enabled


def test_a_parent_that_stays_disabled_is_reported_once(url: str) -> None:
    with_a_child(url)
    withdraw_source(url, "test", OWN, confirmed=True)
    before = revision(url)

    outcome = withdraw_source(url, "test", OWN)

    assert ({}, ["parent"]) == (outcome.disabled, outcome.unchanged)
    assert before == revision(url)


def test_a_disabled_parent_is_enabled_by_the_source_that_states_it_again(url: str) -> None:
    with_a_child(url)
    withdraw_source(url, "test", OWN, confirmed=True)

    state(url, OWN, entry("parent"))

    assert show(url, "parent").enabled
