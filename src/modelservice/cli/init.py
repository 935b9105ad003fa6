"""`modelservice init`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from modelservice import config
from modelservice.cli.catalogue_import import counted
from modelservice.cli.invocation import pasteable
from modelservice.cli.migrate import migrated
from modelservice.cli.options import actor_option
from modelservice.cli.output import say
from modelservice.manage.setup import set_up
from modelservice.manage.system_catalogue import ImportReport


@click.command()
@click.option(
    "--catalogue",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Import this file, each time; without it the documented catalogue, once.",
)
@click.option("--organization", help="Create this organization if it does not exist.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a key of the organization, with models:read, to this file unless it exists.",
)
@actor_option
def init(catalogue: Path | None, organization: str | None, key_file: Path | None, actor: str) -> None:
    """Make all that a first start needs: what --demo makes, without a question. Safe to run again.

    Migrates the database, imports a catalogue and, if they are named, creates an organization with a key.
    """
    if (organization is None) != (key_file is None):
        raise click.UsageError("--organization and --key-file go together")
    made = set_up(config.load(os.environ).database_url, actor, catalogue, organization, key_file)
    click.echo(migrated(made.schema))
    say(f"catalogue: {_imported(made.imported)}")
    if organization and key_file:
        say(f"organization {organization}: {'created' if made.organization else 'exists already'}")
        say(f"key file {key_file}: {'holds a new key' if made.key else 'exists already, not changed'}")
    else:
        with_a_key = pasteable("init", "--organization", "acme", "--key-file", "acme.key")
        say(f"organization: none named: {with_a_key} creates one with a key")
    say(f"next: {pasteable('run')}")


def _imported(imported: ImportReport | bool) -> str:  # noqa: FBT001  (a result, not a switch)
    if isinstance(imported, ImportReport):
        return counted(imported, dry_run=False)
    return "the documented models imported" if imported else "has models already, not changed"
