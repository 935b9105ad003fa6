"""`modelservice migrate`."""

from __future__ import annotations

import os

import click

from modelservice import config
from modelservice.manage import maintenance
from modelservice.store.schema import Migration


@click.command()
def migrate() -> None:
    """Make the database, or bring it to this version's schema."""
    click.echo(migrated(maintenance.migrate(config.load(os.environ).database_url)))


def migrated(schema: Migration) -> str:
    """Returns what a migration did."""
    if schema.before is None:
        return f"database: created, schema {schema.after}"
    if schema.before == schema.after:
        return f"database: has schema {schema.after} already"
    return f"database: migrated from schema {schema.before} to {schema.after}"
