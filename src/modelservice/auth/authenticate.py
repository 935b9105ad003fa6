"""Authenticates the credential of a call: an API key or a JSON Web Token."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from modelservice.auth import api_key
from modelservice.auth.token import Bearer, looks_like_token
from modelservice.domain.principal import ApiKey, Client, Principal
from modelservice.errors import INVALID_API_KEY, Refusal

# Compared if the key is unknown, so that the check takes as long as for a known one.
_NO_DIGEST: Final = bytes(32)


Verify: TypeAlias = Callable[[str, float], Bearer]


class _Callers(Protocol):
    """`catalogue.snapshot.Snapshot`: keys by id, and machines by the subject of their tokens."""

    @property
    def keys(self) -> Mapping[str, ApiKey]: ...

    @property
    def clients(self) -> Mapping[str, Client]: ...


def authenticate(authorization: Sequence[object], callers: _Callers, verify: Verify | None, now: float) -> Principal:
    """Returns the caller that presents a credential.

    Args:
        authorization: Every value of the metadata `authorization`.
        callers: Known keys and machines.
        verify: Verifies tokens at a time (`TokenVerifier.verify`); None rejects them.
        now: In Unix seconds.

    Raises:
        Refusal: `INVALID_API_KEY`: absent, repeated, malformed, unknown, revoked or expired, indistinguishably, so that
            answers reveal no keys; `INVALID_TOKEN`: any fault of a token; `UNAVAILABLE`: no issuer keys.
    """
    credential = _credential(authorization)
    presented = api_key.parse(credential)
    if presented:
        return _owner(presented, callers.keys, now)
    if verify and looks_like_token(credential):
        return _bearer(verify(credential, now), callers.clients)
    raise Refusal(INVALID_API_KEY)


def _credential(authorization: Sequence[object]) -> str:
    # With two values, a proxy in front might have checked the other one.
    if len(authorization) != 1 or not isinstance(authorization[0], str):
        return ""
    scheme, _, credential = authorization[0].partition(" ")
    return credential.strip(" ") if scheme.lower() == "bearer" else ""


def _owner(presented: api_key.PresentedKey, keys: Mapping[str, ApiKey], now: float) -> Principal:
    key = keys.get(presented.id)
    matches = hmac.compare_digest(presented.digest(), key.digest if key else _NO_DIGEST)
    if key is None or not matches or not key.usable(now):
        raise Refusal(INVALID_API_KEY)
    return Principal(key.organization_id, key.scopes, key_id=key.id)


def _bearer(bearer: Bearer, clients: Mapping[str, Client]) -> Principal:
    organization_id = bearer.organization_id
    if bearer.machine and bearer.subject in clients:
        organization_id = clients[bearer.subject].organization_id
    return Principal(organization_id, bearer.scopes, subject=bearer.subject)
