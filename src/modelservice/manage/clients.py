"""Clients: machines with tokens, and the organization that each reads for."""

from __future__ import annotations

import time

from modelservice.domain.principal import Client
from modelservice.errors import ConflictError, NotFoundError
from modelservice.manage.organizations import require_organization
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from modelservice.store.writing import write


def add_client(database_url: str, actor: str, client_id: str, organization_id: str) -> Client:
    """Lets a machine read for an organization.

    Args:
        database_url: The database.
        actor: For the audit.
        client_id: The subject of the machine's tokens, verbatim.
        organization_id: The organization.

    Raises:
        InvalidValueError: The id is malformed.
        NotFoundError: There is no such organization.
        ConflictError: The client already reads for an organization.
    """
    client = Client(client_id, organization_id, created=int(time.time()))
    with write(Database(database_url, Access.WRITE), client.created, actor) as change:
        require_organization(change, organization_id)
        known = change.client(client_id)
        if known:
            raise ConflictError(f"client {client_id}: already reads for {known.organization_id}")
        change.add_client(client)
        change.record("clients.add", client_id, {"organization": organization_id})
    return client


def remove_client(database_url: str, actor: str, client_id: str) -> Client:
    """Removes a client, which sees only the system models from then on. Returns the client.

    Raises:
        NotFoundError: There is no such client.
    """
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        client = change.client(client_id)
        if client is None:
            raise NotFoundError(f"client {client_id}: does not exist")
        change.delete_client(client_id)
        change.record("clients.remove", client_id, {"organization": client.organization_id})
    return client


def list_clients(database_url: str) -> list[Client]:
    """Returns every client, by organization and id."""
    with read(Database(database_url, Access.READ)) as queries:
        return queries.clients()
