"""`modelservice keys`."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import click

from modelservice import config
from modelservice.cli.output import json_option, print_rows, time_text
from modelservice.domain import SCOPES, ApiKey
from modelservice.manage.keys import create_key, list_keys, revoke_key

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# A longer life than any key's; and the sum of now and this fits every column.
_LONGEST = 100 * 365 * 86_400


class _Duration(click.ParamType[int]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        match = re.fullmatch(r"([1-9][0-9]{0,9})([smhdw])", str(value))
        seconds = int(match[1]) * _UNITS[match[2]] if match else 0
        if not 0 < seconds <= _LONGEST:
            self.fail(f"{value!r} must be a number and a unit (s, m, h, d, w), to 100 years: 90d", param, ctx)
        return seconds


@click.group()
def keys() -> None:
    """Manage API keys."""


@keys.command()
@click.option("--organization", required=True, help="Whose callers use it.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it may do; else nothing.")
@click.option("--expires-in", "lifetime", type=_Duration(), help="How long it lives (90d); else for ever.")
@click.option("--name", default="", help="What people call it.")
def create(organization: str, scopes: tuple[str, ...], lifetime: int | None, name: str) -> None:
    """Create a key and print it: the only time that it is shown."""
    key = create_key(config.load(os.environ).database_url, organization, scopes=scopes, name=name, lifetime=lifetime)
    click.echo(key.text)


@keys.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the keys, without their secrets."""
    now = time.time()
    rows = [
        {
            "id": key.id,
            "organization": key.organization_id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "state": _state(key, now),
            "created": time_text(key.created),
            "expires": time_text(key.expires),
            "revoked": time_text(key.revoked),
        }
        for key in list_keys(config.load(os.environ).database_url)
    ]
    columns = ("id", "organization", "name", "scopes", "state", "created", "expires", "revoked")
    print_rows(rows, columns, as_json=as_json)


@keys.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Revoke the key KEY_ID (`keys list` shows ids). It is refused within a second."""
    revoke_key(config.load(os.environ).database_url, key_id)


def _state(key: ApiKey, now: float) -> str:
    if key.revoked is not None:
        return "revoked"
    return "active" if key.usable(now) else "expired"
