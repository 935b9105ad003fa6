"""`modelservice sources`."""

from __future__ import annotations

import dataclasses
import os

import click

from modelservice import config
from modelservice.cli.changes import combined, dry_run_option, print_outcome
from modelservice.cli.options import actor_option, database_url
from modelservice.cli.output import json_option, note, print_rows, say
from modelservice.manage.sources import RANK_MAX, list_sources, set_rank, withdraw_source


@click.group()
def sources() -> None:
    """Manage the sources of values. The value of the source with the highest rank counts."""


@sources.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the sources by rank, with the number of models about which each states or guesses something."""
    rows = [dataclasses.asdict(source) for source in list_sources(database_url())]
    print_rows(rows, ("name", "rank", "models", "guessed"), as_json=as_json)


@sources.command("set")
@click.argument("name")
@click.option("--rank", required=True, type=click.IntRange(0, RANK_MAX), help="The higher rank counts.")
@dry_run_option
@actor_option
@json_option
def set_(name: str, rank: int, actor: str, *, dry_run: bool, as_json: bool) -> None:
    """Give the source NAME another rank, and show which values change. It may not have stated anything yet."""
    settings = config.load(os.environ)
    days = settings.history_days
    outcome = combined(set_rank(settings.database_url, actor, name, rank, dry_run=dry_run, history_days=days))
    outcome.deleted.clear()
    if outcome.ranks or as_json:
        print_outcome(outcome, dry_run=dry_run, as_json=as_json)
    else:
        say(f"source {name}: already has the rank {rank}")


@sources.command()
@click.argument("name")
@click.option("--yes", "confirmed", is_flag=True, help="Withdraw it. Without this, nothing is changed.")
@actor_option
@json_option
def withdraw(name: str, actor: str, *, confirmed: bool, as_json: bool) -> None:
    """Show what changes if the source NAME states nothing any longer, and with --yes withdraw it."""
    settings = config.load(os.environ)
    outcome = withdraw_source(
        settings.database_url,
        actor,
        name,
        dry_run=not confirmed,
        confirmed=confirmed,
        history_days=settings.history_days,
    )
    outcome.deleted.clear()
    print_outcome(outcome, dry_run=not confirmed, as_json=as_json)
    if not confirmed and not as_json:
        note("nothing was changed: add --yes")
