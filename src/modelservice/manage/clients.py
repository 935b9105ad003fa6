"""Clients: machines that come with tokens, and the organization that each reads for."""

from __future__ import annotations

import time

from modelservice.domain.principal import Client
from modelservice.errors import ConflictError, NotFoundError
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from modelservice.store.writing import write


def add_client(database_url: str, actor: str, client_id: str, organization_id: str) -> Client:
    """Says for which organization a machine reads.

    Args:
        database_url: Where.
        actor: Who does it, for the audit.
        client_id: The subject of the machine's tokens, verbatim.
        organization_id: The organization.

    Raises:
        InvalidValueError: The id breaks its rule.
        ConflictError: There is no such organization, or the client is somebody's already.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    client = Client(client_id, organization_id, created=int(time.time()))
    with write(Database(database_url, Access.WRITE), client.created, actor) as change:
        if not change.organization(organization_id):
            raise NotFoundError(f"organization {organization_id}: does not exist")
        known = change.client(client_id)
        if known:
            raise ConflictError(f"client {client_id}: reads for {known.organization_id} already")
        change.add_client(client)
        change.record("clients.add", client_id, {"organization": organization_id})
    return client


def remove_client(database_url: str, actor: str, client_id: str) -> Client:
    """Forgets a client. It sees the system models alone from then on.

    Args:
        database_url: Where.
        actor: Who does it, for the audit.
        client_id: Which.

    Returns:
        The client, as it was.

    Raises:
        ConflictError: There is no such client.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        client = change.client(client_id)
        if client is None:
            raise NotFoundError(f"client {client_id}: does not exist")
        change.delete_client(client_id)
        change.record("clients.remove", client_id, {"organization": client.organization_id})
    return client


def list_clients(database_url: str) -> list[Client]:
    """Returns every client, by organization and id.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    with read(Database(database_url, Access.READ)) as queries:
        return queries.clients()
