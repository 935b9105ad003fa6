"""`modelservice config`."""

from __future__ import annotations

import os

import click

from modelservice.cli.output import json_option, print_rows
from modelservice.config import SETTINGS, shown


@click.command()
@json_option
def config(*, as_json: bool) -> None:
    """Print every setting: its value, default and bounds. Secrets are masked."""
    values = shown(os.environ)
    rows = [
        {"setting": setting.name, "value": values[setting.name]}
        | {name: getattr(setting, name) for name in ("default", "unit", "bounds", "meaning")}
        for setting in SETTINGS
    ]
    columns = tuple(rows[0])
    # A terminal has no room for the meanings. docs/configuration.md has them.
    print_rows(rows, columns if as_json else columns[:-1], as_json=as_json)
