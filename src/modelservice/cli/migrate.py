"""`modelservice migrate`."""

from __future__ import annotations

import os

import click

from modelservice import config
from modelservice.manage import database


@click.command()
def migrate() -> None:
    """Make the database, or bring it to this version's schema."""
    database.migrate(config.load(os.environ).database_url)
