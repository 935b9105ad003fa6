"""`modelservice keys`."""

from __future__ import annotations

import os
import time

import click

from modelservice import config
from modelservice.cli.options import Duration, actor_option
from modelservice.cli.output import json_option, print_rows, time_text
from modelservice.domain.principal import SCOPES, ApiKey
from modelservice.manage.keys import create_key, list_keys, revoke_key, rotate_key


@click.group()
def keys() -> None:
    """Manage API keys."""


@keys.command()
@click.option("--organization", help="Whose callers use it. A key with the scope models:read_any has none.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it may do; else nothing.")
@click.option("--expires-in", "lifetime", type=Duration(), help="How long it lives (90d); else for ever.")
@click.option("--name", default="", help="What people call it.")
@actor_option
def create(organization: str | None, scopes: tuple[str, ...], lifetime: int | None, name: str, actor: str) -> None:
    """Create a key and print it: the only time that it is shown."""
    url = config.load(os.environ).database_url
    click.echo(create_key(url, actor, organization, scopes=scopes, name=name, lifetime=lifetime).text)


@keys.command()
@click.argument("key_id")
@click.option("--overlap", type=Duration(), default="24h", show_default=True, help="How long the old key stays valid.")
@actor_option
def rotate(key_id: str, overlap: int, actor: str) -> None:
    """Create a key with all that the key KEY_ID may, and print it; both are valid for a while."""
    click.echo(rotate_key(config.load(os.environ).database_url, actor, key_id, overlap=overlap).text)


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
@actor_option
def revoke(key_id: str, actor: str) -> None:
    """Revoke the key KEY_ID (`keys list` shows ids). It is refused within a second."""
    revoke_key(config.load(os.environ).database_url, actor, key_id)


def _state(key: ApiKey, now: float) -> str:
    if key.revoked is not None:
        return "revoked"
    return "active" if key.usable(now) else "expired"
