"""API keys: made, listed, rotated, revoked."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from modelservice.auth import api_key
from modelservice.domain.principal import ApiKey
from modelservice.domain.values import check_line
from modelservice.errors import ConflictError, NotFoundError
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from modelservice.store.writing import Write, write


@dataclass(frozen=True, slots=True)
class Rotation:
    """A new key, and the old one, which expires soon."""

    new: api_key.PresentedKey
    old: ApiKey


def create_key(
    database_url: str,
    actor: str,
    organization_id: str | None,
    *,
    scopes: Collection[str],
    name: str = "",
    lifetime: int | None = None,
) -> api_key.PresentedKey:
    """Creates an API key, and returns it. This is the only time that it is known: a digest is all that is stored.

    Args:
        database_url: Where.
        actor: Who does it, for the audit.
        organization_id: Whose callers will use it; None for a key that may read for any organization.
        scopes: What it may do.
        name: What people call it.
        lifetime: After how many seconds it expires, or None for never.

    Raises:
        InvalidValueError: A value is outside its bounds, or the scopes do not fit the organization.
        ConflictError: There is no such organization.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    check_line("key name", name)
    now = int(time.time())
    expires = None if lifetime is None else now + lifetime
    presented, key = _new_key(organization_id, frozenset(scopes), name, now, expires)
    with write(Database(database_url, Access.WRITE), now, actor) as change:
        if organization_id is not None and not change.organization(organization_id):
            raise NotFoundError(f"organization {organization_id}: does not exist")
        change.add_key(key)
        change.record("keys.create", key.id, {"after": _shown(key)})
    return presented


def rotate_key(database_url: str, actor: str, key_id: str, *, overlap: int) -> Rotation:
    """Makes a new key with all that an old one may. Both are valid for a while.

    Args:
        database_url: Where.
        actor: Who does it, for the audit.
        key_id: The old key's id.
        overlap: For how many seconds the old key stays valid; not beyond its own expiry.

    Raises:
        ConflictError: There is no such key, or it is revoked or expired.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    now = int(time.time())
    with write(Database(database_url, Access.WRITE), now, actor) as change:
        old = _existing(change, key_id)
        if not old.usable(now):
            raise ConflictError(f"key {key_id}: is revoked or expired: create another")
        lifetime = None if old.expires is None else old.expires - old.created
        expires = None if lifetime is None else now + lifetime
        presented, key = _new_key(old.organization_id, old.scopes, old.name, now, expires)
        ends = now + overlap if old.expires is None else min(now + overlap, old.expires)
        ending = dataclasses.replace(old, expires=max(ends, old.created + 1))
        change.add_key(key)
        change.update_key(ending)
        change.record("keys.rotate", old.id, {"before": _shown(old), "after": _shown(ending), "new": _shown(key)})
    return Rotation(presented, ending)


def revoke_key(database_url: str, actor: str, key_id: str) -> bool:
    """Revokes an API key. One that is revoked already stays as it is.

    Args:
        database_url: Where.
        actor: Who does it, for the audit.
        key_id: The key's id.

    Returns:
        False if it was revoked already.

    Raises:
        ConflictError: There is no such key.
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    now = int(time.time())
    with write(Database(database_url, Access.WRITE), now, actor) as change:
        key = _existing(change, key_id)
        if key.revoked is not None:
            return False
        revoked = dataclasses.replace(key, revoked=now)
        change.update_key(revoked)
        change.record("keys.revoke", key.id, {"before": _shown(key), "after": _shown(revoked)})
    return True


def list_keys(database_url: str) -> list[ApiKey]:
    """Returns every API key, by organization and age.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
    with read(Database(database_url, Access.READ)) as queries:
        return queries.keys()


def _new_key(
    organization_id: str | None, scopes: frozenset[str], name: str, now: int, expires: int | None
) -> tuple[api_key.PresentedKey, ApiKey]:
    presented = api_key.generate()
    key = ApiKey(
        id=presented.id,
        digest=presented.digest(),
        organization_id=organization_id,
        name=name,
        scopes=scopes,
        created=now,
        expires=expires,
    )
    return presented, key


def _existing(change: Write, key_id: str) -> ApiKey:
    key = change.key(key_id)
    if key is None:
        raise NotFoundError(f"key {key_id}: does not exist")
    return key


def _shown(key: ApiKey) -> dict[str, Any]:
    """Returns what the audit says of a key: all but its digest."""
    return {
        "id": key.id,
        "organization": key.organization_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "expires": key.expires,
        "revoked": key.revoked,
    }
