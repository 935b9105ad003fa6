"""`modelservice init`, `migrate`, `check`, `backup` and `restore`."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import click

from modelservice import config
from modelservice.cli.changes import counted
from modelservice.cli.invocation import pasteable
from modelservice.cli.options import actor_option, database_url
from modelservice.cli.output import json_option, print_json, say
from modelservice.domain.text import printable
from modelservice.manage import maintenance
from modelservice.manage.outcome import Outcome
from modelservice.manage.setup import set_up
from modelservice.store.schema import Migration


@click.command()
@click.option(
    "--catalogue",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Catalogue file to import on every run. Default: the documented catalogue, imported once.",
)
@click.option("--organization", help="Organization to create unless it exists.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for a new key of the organization, with models:read. An existing file is not changed.",
)
@actor_option
def init(catalogue: Path | None, organization: str | None, key_file: Path | None, actor: str) -> None:
    """Prepare a database for the first start. Safe to run again.

    Migrates the database, imports a catalogue and, if both are named, creates an organization with a key.
    """
    if (organization is None) != (key_file is None):
        raise click.UsageError("--organization and --key-file go together")
    made = set_up(database_url(), actor, catalogue, organization, key_file)
    click.echo(_migrated(made.schema))
    say(f"catalogue: {_imported(made.imported)}")
    if organization and key_file:
        say(f"organization {organization}: {'created' if made.organization else 'already exists'}")
        say(f"key file {key_file}: {'holds a new key' if made.key else 'already exists, not changed'}")
    else:
        with_a_key = pasteable("init", "--organization", "acme", "--key-file", "acme.key")
        say(f"organization: none named: {with_a_key} creates one with a key")
    say(f"next: {pasteable('run')}")


@click.command()
def migrate() -> None:
    """Create the database, or migrate it to this version's schema."""
    click.echo(_migrated(maintenance.migrate(database_url())))


@click.command()
@json_option
def check(*, as_json: bool) -> None:
    """Check the whole database without changing it, and print one line for each problem.

    Checks the file's pages, the schema, references, and that every row can be read and rendered. Warns of files that
    other users can read. The status is 1 if there is any problem; warnings do not count.
    """
    # Slow to import.
    from modelservice.manage.database_check import check_database  # noqa: PLC0415

    settings = config.load(os.environ)
    named = config.named_files(os.environ, settings)
    report = check_database(settings.database_url, named.secrets, named.trusted)
    if as_json:
        findings = [dataclasses.asdict(finding) for finding in report.findings]
        print_json({"ok": report.ok, "findings": findings, "rows": dict(report.rows)})
    else:
        for finding in report.findings:
            subject = " ".join(filter(None, (finding.table, finding.id)))
            click.echo(printable(": ".join(filter(None, (finding.severity, subject, finding.reason)))))
        if report.ok:
            click.echo(f"ok: {', '.join(f'{count} {table}' for table, count in report.rows.items())}")
    if not report.ok:
        click.get_current_context().exit(1)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Copy a consistent state of the database to FILE, which must not exist. Servers and writers keep running.

    `modelservice restore` reads the file.
    """
    size = maintenance.backup(database_url(), file)
    say(f"copied the database to {file}: {size:,} bytes")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@actor_option
def restore(file: Path, actor: str) -> None:
    """Replace the content of the database with FILE, a backup. Servers keep running.

    Servers load it within a second, and serve the old content until then. A backup with an older schema is migrated.
    The old content is kept in a file beside the database. Its name is printed.
    """
    done = maintenance.restore(database_url(), actor, file)
    kept = f"; the database before it: {done.kept}" if done.kept else ""
    say(f"restored {file} as revision {done.revision}{kept}")


def _migrated(schema: Migration) -> str:
    if schema.before is None:
        return f"database: created, schema {schema.after}"
    if schema.before == schema.after:
        return f"database: already has schema {schema.after}"
    return f"database: migrated from schema {schema.before} to {schema.after}"


def _imported(imported: Outcome | bool) -> str:  # noqa: FBT001  (a result, not a switch)
    if isinstance(imported, Outcome):
        return counted(imported, dry_run=False)
    return "the documented models imported" if imported else "already has models, not changed"
