"""`modelservice organizations`."""

from __future__ import annotations

import os

import click

from modelservice import config
from modelservice.cli.options import actor_option
from modelservice.cli.output import json_option, print_rows, say, time_text
from modelservice.manage.organizations import create_organization, delete_organization, list_organizations


@click.group()
def organizations() -> None:
    """Manage organizations, whose callers read the catalogue."""


@organizations.command()
@click.argument("organization")
@actor_option
def create(organization: str, actor: str) -> None:
    """Create ORGANIZATION: its id at the identity provider, verbatim."""
    create_organization(config.load(os.environ).database_url, actor, organization)
    say(f"created organization {organization}")


@organizations.command()
@click.argument("organization")
@click.option("--cascade", is_flag=True, help="Delete its keys, clients and models too.")
@actor_option
def delete(organization: str, actor: str, *, cascade: bool) -> None:
    """Delete ORGANIZATION. One that has keys, clients or models needs --cascade."""
    gone = delete_organization(config.load(os.environ).database_url, actor, organization, cascade=cascade)
    kinds = [f"{len(names)} {kind}" for kind, names in gone.items()]
    say(f"deleted organization {organization}, with {', '.join(kinds[:-1])} and {kinds[-1]}")


@organizations.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the organizations."""
    rows = [
        {"organization": organization.id, "created": time_text(organization.created)}
        for organization in list_organizations(config.load(os.environ).database_url)
    ]
    print_rows(rows, ("organization", "created"), as_json=as_json)
