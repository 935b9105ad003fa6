"""Prints what a change of the catalogue does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Final

import click

from modelservice.cli.output import brief, note, print_json, print_rows
from modelservice.manage.outcome import Outcome

COLUMNS: Final = ("model", "what", "field", "before", "after")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
yes_option = click.option(
    "--yes", "confirmed", is_flag=True, help="Remove more than 20 models, or more than a tenth of the system models."
)


def rows_of(outcome: Outcome) -> list[dict[str, Any]]:
    """Returns a row for each model that comes or goes, and for each value that changes or is shadowed."""
    rows = [row(name, "added") for name in outcome.added]
    rows += [row(name, "restored") for name in outcome.restored]
    for name, fields in outcome.changed.items():
        rows += [row(name, "changed", field, before, after) for field, (before, after) in fields.items()]
    rows += [row(name, "removed") for name in outcome.removed]
    rows += [row(name, "disabled: organizations' models inherit from it") for name in outcome.disabled]
    rows += [row(name, "stays deleted: `modelservice models undelete` brings it back") for name in outcome.deleted]
    for item in outcome.shadowed:
        rows.append(row(item.model, f"shadowed by {item.source}", item.field, item.kept, item.value))
    rows += [row(f"source {name}", "changed", "rank", *pair) for name, pair in outcome.ranks.items()]
    return rows


def row(model: str, what: str, field: str = "", before: object = None, after: object = None) -> dict[str, Any]:
    """Returns a row of `COLUMNS`."""
    return {"model": model, "what": what, "field": field, "before": before, "after": after}


def counts_of(outcome: Outcome) -> dict[str, int]:
    """Returns to how many models each thing happened, and how many values are shadowed."""
    return {
        "added": len(outcome.added),
        "changed": len(outcome.changed),
        "unchanged": len(outcome.unchanged) + len(outcome.restated),
        "restored": len(outcome.restored),
        "removed": len(outcome.removed),
        "disabled": len(outcome.disabled),
        "values_shadowed": len(outcome.shadowed),
    }


def counted(outcome: Outcome, *, dry_run: bool) -> str:
    """Returns the counts in words."""
    counts = [f"{name.replace('_', ' ')} {count}" for name, count in counts_of(outcome).items()]
    return ("would be " if dry_run else "") + ", ".join(counts)


def combined(outcomes: Iterable[Outcome]) -> Outcome:
    """Returns the outcomes of a change that took several transactions as one."""
    first, *others = outcomes
    for other in others:
        for field in dataclasses.fields(Outcome):
            value = getattr(first, field.name)
            if isinstance(value, dict):
                value.update(getattr(other, field.name))
            elif isinstance(value, list):
                value.extend(getattr(other, field.name))
    return first


def print_changes(rows: Iterable[dict[str, Any]]) -> None:
    """Prints rows of `COLUMNS` as a table, in which long values are cut."""
    shown = [one | {name: brief(one[name]) for name in ("before", "after")} for one in rows]
    print_rows(shown, COLUMNS, as_json=False)


def print_outcome(outcome: Outcome, *, dry_run: bool, as_json: bool) -> None:
    """Prints the rows and the counts of an outcome.

    Args:
        outcome: The outcome.
        dry_run: Whether nothing was changed.
        as_json: Whether to print JSON.
    """
    rows = rows_of(outcome)
    if as_json:
        print_json({**counts_of(outcome), "dry_run": dry_run, "changes": rows, "lost": outcome.lost})
        return
    note_lost(outcome)
    if rows:
        print_changes(rows)
    click.echo(counted(outcome, dry_run=dry_run))


def note_lost(outcome: Outcome) -> None:
    """Names the private values that did not come back."""
    for lost in outcome.lost:
        note(f"{lost}: is not in the history, which has only its digest: set it again")
