"""`modelservice audit`."""

from __future__ import annotations

import os
import time

import click

from modelservice import config
from modelservice.cli.options import Duration
from modelservice.cli.output import json_option, print_rows, time_text
from modelservice.manage.auditing import list_audit


@click.command()
@click.option("--since", type=Duration(), help="How far back (7d); else from the beginning.")
@json_option
def audit(since: int | None, *, as_json: bool) -> None:
    """Show who changed what: one row for each write, oldest first."""
    begin = 0 if since is None else int(time.time()) - since
    rows = [
        row._asdict() | {"time": time_text(row.created)}
        for row in list_audit(config.load(os.environ).database_url, begin)
    ]
    print_rows(rows, ("revision", "time", "actor", "action", "subject", "detail"), as_json=as_json)
