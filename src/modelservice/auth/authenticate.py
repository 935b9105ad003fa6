"""Makes a principal of the credential that a call carries."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from modelservice.auth import api_key
from modelservice.domain.principal import ApiKey, Principal
from modelservice.errors import INVALID_API_KEY, Refusal

# What an unknown key is compared with, so that it takes as long as a known one.
_NO_DIGEST: Final = bytes(32)


def authenticate(authorization: Sequence[object], keys: Mapping[str, ApiKey], now: float) -> Principal:
    """Returns the caller who presents a credential.

    Args:
        authorization: Every value of the call's `authorization` metadata.
        keys: The known keys, by id.
        now: In Unix seconds.

    Raises:
        Refusal: `INVALID_API_KEY`, the same whether the credential is absent, doubled, malformed, unknown, revoked or
            expired, so that an answer tells nothing about which keys there are.
    """
    presented = _presented(authorization)
    if presented is None:
        raise Refusal(INVALID_API_KEY)
    key = keys.get(presented.id)
    matches = hmac.compare_digest(presented.digest(), key.digest if key else _NO_DIGEST)
    if key is None or not matches or not key.usable(now):
        raise Refusal(INVALID_API_KEY)
    return Principal(key.organization_id, key.id, key.scopes)


def _presented(authorization: Sequence[object]) -> api_key.PresentedKey | None:
    # Two values: whichever we took, a proxy before us might have taken the other.
    if len(authorization) != 1 or not isinstance(authorization[0], str):
        return None
    scheme, _, credential = authorization[0].partition(" ")
    if scheme.lower() != "bearer":
        return None
    return api_key.parse(credential.strip(" "))
