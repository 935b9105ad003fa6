"""`modelservice history`, `diff`, `revert` and `purge`."""

from __future__ import annotations

import dataclasses
import itertools
import os
from operator import itemgetter
from typing import Any, Final

import click

from modelservice import config
from modelservice.cli.changes import COLUMNS, dry_run_option, print_changes, print_outcome, yes_option
from modelservice.cli.options import Moment, actor_option, database_url
from modelservice.cli.output import brief, json_option, on_a_terminal, print_json, print_rows, say, time_text
from modelservice.manage import history as past
from modelservice.manage import purging
from modelservice.manage.lookup import ModelRef

_EVENT_COLUMNS: Final = ("revision", "time", "actor", "action", "sources", "what", "field", "before", "after")
# What happens to all values of a model.
_WHOLE: Final = ("added", "restored", "removed")


@click.command()
@click.argument("model")
@click.option("--organization", help="Owner of MODEL. Default: a system model.")
@json_option
def history(model: str, organization: str | None, *, as_json: bool) -> None:
    """Show what happened to MODEL, which may be deleted: a row for each value that changed, oldest first."""
    rows = _rows(past.history(database_url(), ModelRef(model, organization)))
    if as_json:
        print_rows(rows, _EVENT_COLUMNS, as_json=True)
        return
    shown = [row | {name: brief(row[name]) for name in ("before", "after")} for row in _without_values(rows)]
    if on_a_terminal():
        _print_log(shown)
    else:
        print_rows(shown, _EVENT_COLUMNS, as_json=False)


@click.command()
@click.option("--from", "begin", required=True, type=Moment(), help="A revision or a time.")
@click.option("--to", "end", type=Moment(), help="A revision or a time. Default: now.")
@json_option
def diff(begin: int | str, end: int | str | None, *, as_json: bool) -> None:
    """Show what differs in the catalogue between two revisions: a row for each model or value."""
    rows = [dataclasses.asdict(change) for change in past.difference(database_url(), begin, end)]
    if as_json:
        print_rows(rows, COLUMNS, as_json=True)
        return
    whole = {row["model"] for row in rows if row["what"] in _WHOLE}
    print_changes(row for row in rows if row["what"] in _WHOLE or row["model"] not in whole)


@click.command()
@click.argument("revision", type=click.IntRange(min=1))
@dry_run_option
@yes_option
@actor_option
@json_option
def revert(revision: int, actor: str, *, dry_run: bool, confirmed: bool, as_json: bool) -> None:
    """Undo what REVISION changed in the catalogue, as a new change. `audit` and `history` show revisions."""
    settings = config.load(os.environ)
    outcome = past.revert(
        settings.database_url,
        actor,
        revision,
        dry_run=dry_run,
        confirmed=confirmed,
        history_days=settings.history_days,
    )
    print_outcome(outcome, dry_run=dry_run, as_json=as_json)


@click.command()
@click.argument("model", required=False)
@click.option("--organization", help="Owner of MODEL or, without MODEL, all deleted models of this organization.")
@actor_option
@json_option
def purge(model: str | None, organization: str | None, actor: str, *, as_json: bool) -> None:
    """Permanently erase what history and audit have of a deleted MODEL, or of a deleted organization's models."""
    if model:
        done = purging.purge_model(database_url(), actor, ModelRef(model, organization))
    elif organization:
        done = purging.purge_organization(database_url(), actor, organization)
    else:
        raise click.UsageError("name a MODEL or an --organization")
    if as_json:
        print_json(dataclasses.asdict(done))
    else:
        say(f"purged models {done.models}, layers {done.layers}, values in rows of the audit {done.audit_rows}")


def _rows(events: list[past.Event]) -> list[dict[str, Any]]:
    """Returns a row for each value, with what happened to the model: `restated` if no value changed."""
    rows = []
    was_there = False
    for _, group in itertools.groupby(events, lambda event: event.revision):
        found = list(group)
        named = next((event for event in found if event.field == "name"), None)
        what = "changed" if found[0].field else "restated"
        if named and named.before is None:
            what = "restored" if was_there else "added"
        elif named and named.after is None:
            what = "removed"
        was_there = True
        rows += [dataclasses.asdict(event) | {"time": time_text(event.time), "what": what} for event in found]
    return rows


def _without_values(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the rows, with a single one where a model came or went."""
    nothing = {"field": "", "before": None, "after": None}
    whole = {row["revision"]: row | nothing for row in rows if row["what"] in _WHOLE}
    return sorted([*whole.values(), *(row for row in rows if row["what"] not in _WHOLE)], key=itemgetter("revision"))


def _print_log(rows: list[dict[str, Any]]) -> None:
    """Prints a line for each revision, and one for each value: a table would be wider than most terminals."""
    for revision, group in itertools.groupby(rows, itemgetter("revision")):
        found = list(group)
        first = found[0]
        by = f"{first['actor'] or 'unknown'}, {first['action'] or 'unknown'} ({', '.join(first['sources']) or '-'})"
        say(f"{revision}  {first['time'] or '-'}  {first['what']}  by {by}")
        for row in found:
            if row["field"]:
                say(f"    {row['field']}: {row['before']} → {row['after']}")
