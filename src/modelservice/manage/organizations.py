"""Organizations: the tenants whose callers read the catalogue."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from modelservice.domain.layers import DELETED, MANUAL
from modelservice.domain.principal import Organization
from modelservice.errors import ConflictError, NotFoundError
from modelservice.manage.plan import Plan
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import Queries, read
from modelservice.store.writing import write


def require_organization(queries: Queries, organization_id: str) -> None:
    """Checks that an organization exists.

    Raises:
        NotFoundError: It does not.
    """
    if not queries.organization(organization_id):
        raise NotFoundError(f"organization {organization_id}: does not exist")


def create_organization(database_url: str, actor: str, organization_id: str) -> Organization:
    """Creates an organization.

    Args:
        database_url: The database.
        actor: For the audit.
        organization_id: The id exactly as the identity provider spells it.

    Raises:
        InvalidValueError: The id is malformed.
        ConflictError: The organization exists.
    """
    organization = Organization(organization_id, created=int(time.time()))
    with write(Database(database_url, Access.WRITE), organization.created, actor) as change:
        if change.organization(organization_id):
            raise ConflictError(f"organization {organization_id}: already exists")
        change.add_organization(organization)
        change.record("organizations.create", organization_id, {})
    return organization


def delete_organization(
    database_url: str, actor: str, organization_id: str, *, cascade: bool
) -> Mapping[str, Sequence[str]]:
    """Deletes an organization and, with `cascade`, its keys, clients and models.

    Returns:
        What was deleted with it: the ids of its `keys` and `clients`, and the names of its `models`.

    Raises:
        NotFoundError: There is no such organization.
        ConflictError: It has keys, clients or models, and `cascade` is false.
    """
    with write(Database(database_url, Access.WRITE), int(time.time()), actor) as change:
        require_organization(change, organization_id)
        keys = change.keys_of(organization_id)
        clients = change.clients(organization_id)
        models = change.organization_models(organization_id=organization_id)
        if (keys or clients or models) and not cascade:
            raise ConflictError(
                f"organization {organization_id}: has {len(keys)} keys, {len(clients)} clients and {len(models)} "
                "models: --cascade deletes them too"
            )
        for key in keys:
            change.delete_key(key.id)
        for client in clients:
            change.delete_client(client.id)
        plan = Plan(change)
        plan.touch(models)
        for model in models:
            plan.state(model.id, MANUAL, {**(plan.document(model.id, MANUAL) or {}), DELETED: True})
        outcome = plan.outcome()
        detail = {
            "keys": [key.id for key in keys],
            "clients": [client.id for client in clients],
            "models": [model.name for model in models],
        }
        change.record("organizations.delete", organization_id, {**detail, "values": outcome.detail["models"]})
        plan.write(outcome)
        change.delete_organization(organization_id)
    return detail


def list_organizations(database_url: str) -> list[Organization]:
    """Returns every organization, by id."""
    with read(Database(database_url, Access.READ)) as queries:
        return queries.organizations()
