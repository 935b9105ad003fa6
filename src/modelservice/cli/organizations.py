"""`modelservice organizations`."""

from __future__ import annotations

import os

import click

from modelservice import config
from modelservice.cli.output import json_option, print_rows, time_text
from modelservice.manage.organizations import create_organization, list_organizations


@click.group()
def organizations() -> None:
    """Manage organizations, whose callers read the catalogue."""


@organizations.command()
@click.argument("organization")
def create(organization: str) -> None:
    """Create ORGANIZATION: its id at the identity provider, verbatim."""
    create_organization(config.load(os.environ).database_url, organization)


@organizations.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the organizations."""
    rows = [
        {"organization": organization.id, "created": time_text(organization.created)}
        for organization in list_organizations(config.load(os.environ).database_url)
    ]
    print_rows(rows, ("organization", "created"), as_json=as_json)
