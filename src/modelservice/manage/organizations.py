"""Organizations: the tenants whose callers read the catalogue."""

from __future__ import annotations

import time

from modelservice.domain import Organization
from modelservice.errors import ConflictError
from modelservice.store.database import Access, Database
from modelservice.store.reading import read_organizations
from modelservice.store.writing import write


def create_organization(database_url: str, organization_id: str) -> Organization:
    """Creates an organization.

    Args:
        database_url: Where.
        organization_id: Its id at the identity provider, verbatim.

    Raises:
        InvalidValueError: The id breaks its rule.
        ConflictError: There is one with this id.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    organization = Organization(organization_id, created=int(time.time()))
    with write(Database(database_url, Access.WRITE), organization.created) as change:
        if change.organization(organization_id):
            raise ConflictError(f"organization {organization_id}: exists already")
        change.add_organization(organization)
    return organization


def list_organizations(database_url: str) -> list[Organization]:
    """Returns every organization, by id.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    return read_organizations(Database(database_url, Access.READ))
