"""`modelservice backup`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from modelservice import config
from modelservice.cli.output import say
from modelservice.manage.maintenance import backup as back_up


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Copy the database to FILE, which must not exist: one state of it, while servers and writers go on.

    `modelservice restore` takes it.
    """
    size = back_up(config.load(os.environ).database_url, file)
    say(f"copied the database to {file}: {size:,} bytes")
