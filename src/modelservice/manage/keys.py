"""API keys: made, listed, revoked."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection

from modelservice.auth import api_key
from modelservice.domain import ApiKey
from modelservice.errors import ConflictError
from modelservice.store.database import Access, Database
from modelservice.store.reading import read_keys
from modelservice.store.writing import write


def create_key(
    database_url: str, organization_id: str, *, scopes: Collection[str], name: str = "", lifetime: int | None = None
) -> api_key.PresentedKey:
    """Creates an API key, and returns it. This is the only time that it is known: a digest is all that is stored.

    Args:
        database_url: Where.
        organization_id: Whose callers will use it.
        scopes: What it may do.
        name: What people call it.
        lifetime: After how many seconds it expires, or None for never.

    Raises:
        InvalidValueError: A value is outside its bounds.
        ConflictError: There is no such organization.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    now = int(time.time())
    presented = api_key.generate()
    key = ApiKey(
        id=presented.id,
        digest=presented.digest(),
        organization_id=organization_id,
        name=name,
        scopes=frozenset(scopes),
        created=now,
        expires=None if lifetime is None else now + lifetime,
    )
    with write(Database(database_url, Access.WRITE), now) as change:
        if not change.organization(organization_id):
            raise ConflictError(f"organization {organization_id}: does not exist")
        change.add_key(key)
    return presented


def list_keys(database_url: str) -> list[ApiKey]:
    """Returns every API key, by organization and age.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    return read_keys(Database(database_url, Access.READ))


def revoke_key(database_url: str, key_id: str) -> ApiKey:
    """Revokes an API key. One that is revoked already stays as it is.

    Args:
        database_url: Where.
        key_id: The key's id.

    Returns:
        The key, as it is now.

    Raises:
        ConflictError: There is no such key.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    now = int(time.time())
    with write(Database(database_url, Access.WRITE), now) as change:
        key = change.key(key_id)
        if key is None:
            raise ConflictError(f"key {key_id}: does not exist")
        if key.revoked is None:
            key = dataclasses.replace(key, revoked=now)
            change.update_key(key)
    return key
