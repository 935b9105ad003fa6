"""`modelservice init`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from modelservice import config
from modelservice.cli.options import actor_option
from modelservice.manage.setup import set_up


@click.command()
@click.option(
    "--catalogue", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Else the documented one."
)
@click.option("--organization", help="Made when it is not there.")
@click.option("--key-file", type=click.Path(path_type=Path, dir_okay=False), help="Gets a key that may read, once.")
@actor_option
def init(catalogue: Path | None, organization: str | None, key_file: Path | None, actor: str) -> None:
    """Make all that a first start needs: what --demo makes, without a question. Safe to run again.

    The database is migrated. The catalogue is imported: the documented one only where there never was a model. A key
    file that exists is left as it is.
    """
    if (organization is None) != (key_file is None):
        raise click.UsageError("--organization and --key-file go together")
    set_up(config.load(os.environ).database_url, actor, catalogue, organization, key_file)
