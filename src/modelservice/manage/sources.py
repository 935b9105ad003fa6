"""Sources of facts: their ranks, and their withdrawal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from modelservice.domain.layers import MANUAL, RANKS
from modelservice.domain.values import check_number
from modelservice.errors import InvalidValueError, NotFoundError
from modelservice.manage.outcome import Outcome
from modelservice.manage.plan import Plan
from modelservice.manage.system_catalogue import check_source, in_catalogue_order, withdraw
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from modelservice.store.writing import write

RANK_MAX: Final = 1_000_000
# Models that one transaction merges again. Other writers wait for about a second.
_MERGED_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """A source, its rank, and about how many models it states or guesses something."""

    name: str
    rank: int
    models: int
    guessed: int


def list_sources(database_url: str) -> list[SourceSummary]:
    """Returns the built-in sources and those that ever stated something, by rank."""
    with read(Database(database_url, Access.READ)) as queries:
        counts = queries.count_layers()
        ranks = {**RANKS, **{name: source.rank for name, source in queries.sources().items()}}
    found = [SourceSummary(name, rank, *counts.get(name, (0, 0))) for name, rank in ranks.items()]
    return sorted(found, key=lambda source: (-source.rank, source.name))


def set_rank(
    database_url: str, actor: str, name: str, rank: int, *, dry_run: bool = False, history_days: int = 0
) -> Iterator[Outcome]:
    """Gives a source another rank. Yields an outcome for each transaction, of which most changes need one.

    If it ends early, the catalogue is as consistent as before, and calling it again finishes the work.

    Raises:
        InvalidValueError: The name cannot be a source's, or the rank is out of bounds.
    """
    check_source(name)
    check_number("rank", rank, most=RANK_MAX)
    done: UUID | None = None
    while True:
        with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
            plan = Plan(change)
            plan.rank(name, rank)
            left = sorted(model_id for model_id in change.layered_by(name) if done is None or model_id > done)
            chunk = left if dry_run else left[:_MERGED_AT_ONCE]
            plan.touch(in_catalogue_order(change.records(chunk).values()))
            outcome = plan.outcome()
            if not dry_run:
                plan.apply(outcome, "sources.set", name, history_days=history_days)
        yield outcome
        if len(chunk) == len(left):
            return
        done = chunk[-1]


def withdraw_source(
    database_url: str,
    actor: str,
    name: str,
    *,
    dry_run: bool = False,
    confirmed: bool = False,
    history_days: int = 0,
) -> Outcome:
    """Withdraws everything that a source states and guesses. Models that no other source states are removed.

    Raises:
        InvalidValueError: It is what commands state, which is also every model of an organization.
        NotFoundError: There is no such source.
        ConfirmationError: Many models would be removed, and it is not confirmed.
    """
    if name == MANUAL:
        raise InvalidValueError(f"source {name}: cannot be withdrawn: `models update --unset` withdraws single values")
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        if name not in change.sources() and name not in RANKS:
            raise NotFoundError(f"source {name}: does not exist: `modelservice sources list` shows them")
        plan = Plan(change)
        withdraw(plan, change, name)
        outcome = plan.outcome()
        if not dry_run:
            outcome.require_confirmed(confirmed=confirmed)
            plan.apply(outcome, "sources.withdraw", name, history_days=history_days)
        return outcome
