"""API keys: create, rotate, revoke and list them."""

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
from modelservice.manage.organizations import require_organization
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from modelservice.store.writing import Write, write


@dataclass(frozen=True, slots=True)
class Rotation:
    """A new key, and the old one with its new expiry."""

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
    """Creates an API key and returns it. Only its digest is stored, so it cannot be shown again.

    Args:
        database_url: The database.
        actor: For the audit.
        organization_id: Organization that it reads for; None for a key that may read for any.
        scopes: Its scopes.
        name: Display name.
        lifetime: Seconds until it expires; None for never.

    Raises:
        InvalidValueError: A value is out of bounds, or the scopes do not fit the organization.
        NotFoundError: There is no such organization.
    """
    check_line("key name", name)
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
    with write(Database(database_url, Access.WRITE), now, actor) as change:
        if organization_id is not None:
            require_organization(change, organization_id)
        change.add_key(key)
        change.record("keys.create", key.id, {"after": _shown(key)})
    return presented


def rotate_key(database_url: str, actor: str, key_id: str, *, overlap: int) -> Rotation:
    """Creates a key with the scopes, name and lifetime of an old one, which stays valid for `overlap` seconds at most.

    Raises:
        NotFoundError: There is no such key.
        ConflictError: It is revoked or expired.
    """
    now = int(time.time())
    with write(Database(database_url, Access.WRITE), now, actor) as change:
        old = _existing(change, key_id)
        if not old.usable(now):
            raise ConflictError(f"key {key_id}: is revoked or expired: create another")
        expires, ends = None, now + overlap
        if old.expires is not None:
            expires, ends = now + old.expires - old.created, min(ends, old.expires)
        presented = api_key.generate()
        key = dataclasses.replace(old, id=presented.id, digest=presented.digest(), created=now, expires=expires)
        ending = dataclasses.replace(old, expires=max(ends, old.created + 1))
        change.add_key(key)
        change.update_key(ending)
        change.record("keys.rotate", old.id, {"before": _shown(old), "after": _shown(ending), "new": _shown(key)})
    return Rotation(presented, ending)


def revoke_key(database_url: str, actor: str, key_id: str) -> bool:
    """Revokes an API key. Returns False if it was already revoked.

    Raises:
        NotFoundError: There is no such key.
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
    """Returns every API key, by organization and age."""
    with read(Database(database_url, Access.READ)) as queries:
        return queries.keys()


def _existing(change: Write, key_id: str) -> ApiKey:
    key = change.key(key_id)
    if key is None:
        raise NotFoundError(f"key {key_id}: does not exist")
    return key


def _shown(key: ApiKey) -> dict[str, Any]:
    """Returns what the audit records of a key: everything but its digest."""
    return {
        "id": key.id,
        "organization": key.organization_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "expires": key.expires,
        "revoked": key.revoked,
    }
