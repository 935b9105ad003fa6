"""`modelservice config`."""

from __future__ import annotations

import os

import click

from modelservice.cli.output import json_option, print_rows
from modelservice.config import SETTINGS, shown


@click.command()
@json_option
def config(*, as_json: bool) -> None:
    """Print every setting: its value, its default, its bounds. No secret is printed."""
    values = shown(os.environ)
    rows = [
        {
            "setting": setting.name,
            "value": values[setting.name],
            "default": setting.default,
            "unit": setting.unit,
            "bounds": setting.bounds,
            "meaning": setting.meaning,
        }
        for setting in SETTINGS
    ]
    columns = ("setting", "value", "default", "unit", "bounds", "meaning")
    # The meanings are in docs/configuration.md: a terminal has no room for them.
    print_rows(rows, columns if as_json else columns[:-1], as_json=as_json)
