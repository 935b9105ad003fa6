"""`modelservice restore`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from modelservice import config
from modelservice.cli.options import actor_option
from modelservice.cli.output import say
from modelservice.manage import maintenance


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@actor_option
def restore(file: Path, actor: str) -> None:
    """Replace what the database holds with FILE, a backup, while servers go on.

    Servers load it within a second, and serve what they hold until then. A backup with an older schema is migrated.
    What the database held before is kept in a file beside it, whose name is printed.
    """
    done = maintenance.restore(config.load(os.environ).database_url, actor, file)
    kept = f"; the database before it: {done.kept}" if done.kept else ""
    say(f"restored {file} as revision {done.revision}{kept}")
