"""`modelservice keys`."""

from __future__ import annotations

import time

import click

from modelservice.auth.api_key import PresentedKey
from modelservice.cli.options import Duration, actor_option, database_url
from modelservice.cli.output import json_option, note, print_json, print_rows, say, time_text
from modelservice.domain.principal import MODELS_READ, MODELS_READ_ANY, SCOPES, ApiKey
from modelservice.manage.keys import create_key, list_keys, revoke_key, rotate_key


@click.group()
def keys() -> None:
    """Manage API keys."""


@keys.command()
@click.option("--organization", help="Organization that the key reads for. A key with models:read_any has none.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Repeatable.  [default: models:read]")
@click.option("--no-scope", "scopeless", is_flag=True, help="Create a key without any scope.")
@click.option("--expires-in", "lifetime", type=Duration(), help="Lifetime, such as 90d. Default: unlimited.")
@click.option("--name", default="", help="Display name.")
@actor_option
@json_option
def create(
    organization: str | None,
    scopes: tuple[str, ...],
    lifetime: int | None,
    name: str,
    actor: str,
    *,
    scopeless: bool,
    as_json: bool,
) -> None:
    """Create a key and print it. It is not shown again."""
    if scopes and scopeless:
        raise click.UsageError("--scope or --no-scope, not both")
    if organization is None and MODELS_READ_ANY not in scopes:
        raise click.UsageError(
            f"--organization: is missing: a key belongs to an organization, unless it has --scope {MODELS_READ_ANY}"
        )
    granted = scopes if scopes or scopeless else (MODELS_READ,)
    key = create_key(database_url(), actor, organization, scopes=granted, name=name, lifetime=lifetime)
    owner = f"organization {organization}" if organization else "no organization"
    note(f"created key {key.id} of {owner}, with {' and '.join(granted) or 'no scope'}; it is not shown again")
    _print_key(key, as_json=as_json)


@keys.command()
@click.argument("key_id")
@click.option("--overlap", type=Duration(), default="24h", show_default=True, help="Remaining lifetime of the old key.")
@actor_option
@json_option
def rotate(key_id: str, overlap: int, actor: str, *, as_json: bool) -> None:
    """Create a key with the scopes of KEY_ID, and print it. The old key stays valid for a while."""
    rotated = rotate_key(database_url(), actor, key_id, overlap=overlap)
    note(f"created key {rotated.new.id} in place of {key_id}, which expires at {time_text(rotated.old.expires)}")
    _print_key(rotated.new, as_json=as_json)


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
        for key in list_keys(database_url())
    ]
    columns = ("id", "organization", "name", "scopes", "state", "created", "expires", "revoked")
    print_rows(rows, columns, as_json=as_json)


@keys.command()
@click.argument("key_id")
@actor_option
def revoke(key_id: str, actor: str) -> None:
    """Revoke the key KEY_ID (`keys list` shows ids). Servers refuse it within a second."""
    if revoke_key(database_url(), actor, key_id):
        say(f"revoked key {key_id}")
    else:
        say(f"key {key_id}: is already revoked")


def _print_key(key: PresentedKey, *, as_json: bool) -> None:
    """Prints nothing but the key, so that scripts can read it."""
    if as_json:
        print_json({"id": key.id, "key": key.text})
    else:
        click.echo(key.text)


def _state(key: ApiKey, now: float) -> str:
    if key.revoked is not None:
        return "revoked"
    return "active" if key.usable(now) else "expired"
