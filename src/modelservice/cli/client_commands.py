"""`modelservice clients`."""

from __future__ import annotations

import click

from modelservice.cli.options import actor_option, database_url
from modelservice.cli.output import json_option, print_rows, say, time_text
from modelservice.manage.clients import add_client, list_clients, remove_client


@click.group()
def clients() -> None:
    """Manage clients: machines with tokens, and the organization that each reads for."""


@clients.command()
@click.argument("client")
@click.option("--organization", required=True, help="Organization that the client reads for.")
@actor_option
def add(client: str, organization: str, actor: str) -> None:
    """Let CLIENT read for an organization. CLIENT (m2m-client-…) is the subject of its tokens."""
    add_client(database_url(), actor, client, organization)
    say(f"added client {client}: reads for organization {organization}")


@clients.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the clients."""
    rows = [
        {"client": client.id, "organization": client.organization_id, "created": time_text(client.created)}
        for client in list_clients(database_url())
    ]
    print_rows(rows, ("client", "organization", "created"), as_json=as_json)


@clients.command()
@click.argument("client")
@actor_option
def remove(client: str, actor: str) -> None:
    """Remove CLIENT. Within a second it sees only the system models."""
    removed = remove_client(database_url(), actor, client)
    say(f"removed client {client}: no longer reads for organization {removed.organization_id}")
