"""`modelservice organizations`."""

from __future__ import annotations

import click

from modelservice.cli.options import actor_option, database_url
from modelservice.cli.output import json_option, print_rows, say, time_text
from modelservice.manage.organizations import create_organization, delete_organization, list_organizations


@click.group()
def organizations() -> None:
    """Manage organizations, whose callers read the catalogue."""


@organizations.command()
@click.argument("organization")
@actor_option
def create(organization: str, actor: str) -> None:
    """Create ORGANIZATION, an id exactly as the identity provider spells it."""
    create_organization(database_url(), actor, organization)
    say(f"created organization {organization}")


@organizations.command()
@click.argument("organization")
@click.option("--cascade", is_flag=True, help="Also delete its keys, clients and models.")
@actor_option
def delete(organization: str, actor: str, *, cascade: bool) -> None:
    """Delete ORGANIZATION. If it has keys, clients or models, --cascade is required."""
    gone = delete_organization(database_url(), actor, organization, cascade=cascade)
    kinds = [f"{len(names)} {kind}" for kind, names in gone.items()]
    say(f"deleted organization {organization}, with {', '.join(kinds[:-1])} and {kinds[-1]}")


@organizations.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the organizations."""
    rows = [
        {"organization": organization.id, "created": time_text(organization.created)}
        for organization in list_organizations(database_url())
    ]
    print_rows(rows, ("organization", "created"), as_json=as_json)
