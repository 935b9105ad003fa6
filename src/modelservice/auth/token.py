"""Verification of JSON Web Tokens (RFC 7519)."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import jwt
from cachetools import LRUCache

from modelservice.auth.jwks import KeySet
from modelservice.domain.principal import MODELS_READ
from modelservice.domain.values import is_organization_id, is_subject
from modelservice.errors import INVALID_TOKEN, UNAVAILABLE, NotReadyError, Refusal

# A compact JWS: header, claims, signature, which is empty with `alg: none`.
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
# In characters. A session token may carry 4 KB of custom claims.
LENGTH_MAX: Final = 16 * 1024
_REQUIRED: Final = ("exp", "iat", "iss", "aud", "sub")
# Stytch B2B's claim with the member's roles; other issuers use a claim `roles` (RFC 9068, 2.2.3.1).
_SESSION: Final = "https://stytch.com/session"
# Cached tokens, some 15 MB.
_REMEMBERED: Final = 20_000
# Reasons for the log and the metrics; the caller does not learn them.
_REASONS: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not valid yet",
    jwt.InvalidIssuerError: "another issuer",
    jwt.InvalidAudienceError: "another audience",
    jwt.MissingRequiredClaimError: "a required claim is missing",
    jwt.InvalidSignatureError: "wrong signature",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """Which tokens are valid.

    Attributes:
        issuers: Accepted values of `iss`.
        audience: Required value or element of `aud`.
        algorithms: Accepted signature algorithms.
        leeway: Tolerated difference from the issuer's clock, in seconds.
        organization_claim: Path of a member's organization in the claims; empty if all tokens are of machines.
        required_role: Role that members need, or None.
    """

    issuers: tuple[str, ...]
    audience: str
    algorithms: tuple[str, ...]
    leeway: float
    organization_claim: tuple[str, ...]
    required_role: str | None


@dataclass(frozen=True, slots=True)
class Bearer:
    """The subject of a valid token.

    Attributes:
        subject: The issuer's id of a member or machine.
        organization_id: A member's organization; None if its id is impossible here, and for machines.
        machine: Whether it is a machine, whose organization this service assigns, not the issuer.
        scopes: Granted scopes.
        expires: In Unix seconds.
    """

    subject: str
    organization_id: str | None
    machine: bool
    scopes: frozenset[str]
    expires: float


class _Verified(NamedTuple):
    """A verified token, as its SHA-256, and the keys that verified it."""

    digest: bytes
    keys: KeySet
    bearer: Bearer


class _Keys(Protocol):
    """`auth.issuer_keys.IssuerKeys`."""

    @property
    def current(self) -> KeySet | None: ...

    def want(self) -> None: ...


def looks_like_token(text: str) -> bool:
    """Returns whether a credential has the form of a JSON Web Token."""
    return _SHAPE.fullmatch(text) is not None


class TokenVerifier:
    """Verifies tokens, and caches valid ones until they expire or the issuer's keys change."""

    def __init__(self, rules: TokenRules, keys: _Keys) -> None:
        self._rules = rules
        self._keys = keys
        self._lock = threading.Lock()
        # By the digest of the signed part. Its holder can make further valid signatures (s and n - s of an elliptic
        # curve), which replace each other here instead of filling the cache.
        self._remembered: LRUCache[bytes, _Verified] = LRUCache(_REMEMBERED)

    def verify(self, token: str, now: float) -> Bearer:
        """Returns the subject of a token.

        Args:
            token: A text for which `looks_like_token` is true.
            now: In Unix seconds.

        Raises:
            Refusal: `INVALID_TOKEN`: any fault of the token; `UNAVAILABLE`: no issuer keys.
        """
        (place, digest), keys = _digests(token), self._usable_keys()
        bearer = self._recall(place, digest, keys, now)
        if bearer is None:
            bearer = _bearer(self._claims(token, keys), self._rules)
            with self._lock:
                self._remembered[place] = _Verified(digest, keys, bearer)
        return bearer

    def recall(self, token: str, now: float) -> Bearer:
        """Returns the same for a token that is verified already.

        Raises:
            NotReadyError: It must be verified.
            Refusal: As `verify`.
        """
        bearer = self._recall(*_digests(token), self._usable_keys(), now)
        if bearer is None:
            raise NotReadyError
        return bearer

    def _usable_keys(self) -> KeySet:
        keys = self._keys.current
        if keys is None:
            raise Refusal(UNAVAILABLE, reason="issuer keys unavailable")
        return keys

    def _recall(self, place: bytes, digest: bytes, keys: KeySet, now: float) -> Bearer | None:
        with self._lock:
            found = self._remembered.get(place)
        if (
            found
            and found.keys is keys
            and hmac.compare_digest(found.digest, digest)
            and now < found.bearer.expires + self._rules.leeway
        ):
            return found.bearer
        return None

    def _claims(self, token: str, keys: KeySet) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key_id, algorithm = header.get("kid"), header.get("alg")
            if algorithm not in self._rules.algorithms:
                raise _refused("another algorithm")
            candidates = keys.find(key_id, algorithm)
            if not candidates:
                self._keys.want()
                raise _refused("unknown key")
            # Several only if the issuer gave them one id.
            for key in candidates[:-1]:
                try:
                    return self._decode(token, key)
                except jwt.InvalidSignatureError:
                    continue
            return self._decode(token, candidates[-1])
        except jwt.PyJWTError as error:
            raise _refused(_REASONS.get(type(error), "malformed")) from None
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            # The library does not anticipate every malformed token.
            raise _refused("malformed") from None

    def _decode(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        rules = self._rules
        options: Any = {"require": list(_REQUIRED), "enforce_minimum_key_length": True}
        claims: dict[str, Any] = jwt.decode(
            token, key, rules.algorithms, options, audience=rules.audience, issuer=rules.issuers, leeway=rules.leeway
        )
        return claims


def _bearer(claims: Mapping[str, Any], rules: TokenRules) -> Bearer:
    subject = claims["sub"]
    if not is_subject(subject):
        raise _refused("an invalid subject")
    expires = int(claims["exp"])
    names = rules.organization_claim
    if not names or names[0] not in claims:
        scope = claims.get("scope", "")
        if not isinstance(scope, str):
            raise _refused("a scope that is not a string")
        # No other scope: an issuer cannot grant reading for any organization.
        scopes = frozenset({MODELS_READ} & set(scope.split(" ")))
        return Bearer(subject, None, machine=True, scopes=scopes, expires=expires)
    organization: Any = claims
    for name in names:
        organization = organization.get(name) if isinstance(organization, dict) else None
    if not isinstance(organization, str):
        raise _refused("an organization that is not a string")
    permitted = rules.required_role is None or rules.required_role in _roles(claims)
    known = organization if is_organization_id(organization) else None
    return Bearer(subject, known, machine=False, scopes=frozenset({MODELS_READ} if permitted else ()), expires=expires)


def _roles(claims: Mapping[str, Any]) -> list[Any]:
    session = claims.get(_SESSION)
    listed = (session.get("roles") if isinstance(session, dict) else None, claims.get("roles"))
    return [role for roles in listed if isinstance(roles, list) for role in roles]


def _digests(token: str) -> tuple[bytes, bytes]:
    """Returns the digests of a token's signed part, and of all of it."""
    if len(token) > LENGTH_MAX:
        raise _refused("too long")
    return hashlib.sha256(token.rpartition(".")[0].encode()).digest(), hashlib.sha256(token.encode()).digest()


def _refused(reason: str) -> Refusal:
    return Refusal(INVALID_TOKEN, reason=reason)
