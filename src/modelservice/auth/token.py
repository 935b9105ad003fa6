"""JSON Web Tokens (RFC 7519): which are good, and what they say of their bearer."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt
from cachetools import LRUCache

from modelservice.auth.jwks import KeySet
from modelservice.domain.principal import MODELS_READ
from modelservice.domain.values import is_organization_id, is_subject
from modelservice.errors import INVALID_TOKEN, UNAVAILABLE, Refusal

# A JWS in its compact form: header, claims, signature. That of `alg: none` is empty.
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
# In characters. A session's token may carry 4 KB of an application's own claims.
LENGTH_MAX: Final = 16 * 1024
_REQUIRED: Final = ("exp", "iat", "iss", "aud", "sub")
# Stytch B2B's claim about the session, with the member's roles; others have the roles beside it (RFC 9068, 2.2.3.1).
_SESSION: Final = "https://stytch.com/session"
# Tokens that are remembered: some 15 MB of them.
_REMEMBERED: Final = 20_000
# What the log says of a token that is refused. Its bearer is not told.
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
    """Which tokens are good.

    Attributes:
        issuers: The claim `iss` is one of them.
        audience: The claim `aud` is it, or has it.
        algorithms: How tokens may be signed.
        leeway: How far the issuer's clock may be from this one's, in seconds.
        organization_claim: The path of names to a member's organization; none where all tokens are machines'.
        required_role: What members need, or None.
    """

    issuers: tuple[str, ...]
    audience: str
    algorithms: tuple[str, ...]
    leeway: float
    organization_claim: tuple[str, ...]
    required_role: str | None


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a good token is about.

    Attributes:
        subject: The issuer's name of a member, or of a machine.
        organization_id: A member's organization; None when its id can be none's here, and for a machine.
        machine: Whether it is a machine, whose organization is not the issuer's to say.
        scopes: What it may do.
        expires: When the token ends, in Unix seconds.
    """

    subject: str
    organization_id: str | None
    machine: bool
    scopes: frozenset[str]
    expires: float


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token that was found good.

    Attributes:
        digest: SHA-256 of it, so that no token lies in memory.
        keys: With which it was verified.
        bearer: Whom it is about.
    """

    digest: bytes
    keys: KeySet
    bearer: Bearer

    def stands_for(self, digest: bytes, keys: KeySet) -> bool:
        """Says whether it is the token of this digest, and its keys are still these."""
        return self.keys is keys and hmac.compare_digest(self.digest, digest)


class Keys(Protocol):
    """What has the issuer's keys (`auth.issuer_keys`)."""

    @property
    def current(self) -> KeySet | None:
        """The keys, when there are any."""

    def want(self) -> None:
        """Says that a token names a key that is not among them."""


def looks_like_token(text: str) -> bool:
    """Says whether a credential has the form of a JSON Web Token."""
    return _SHAPE.fullmatch(text) is not None


class TokenVerifier:
    """Verifies tokens, each once: what is good is remembered until it expires or the issuer's keys change.

    Args:
        rules: Which are good.
        keys: The issuer's keys.
    """

    def __init__(self, rules: TokenRules, keys: Keys) -> None:
        self._rules = rules
        self._keys = keys
        self._lock = threading.Lock()
        # By the digest of what is signed: of the same content there are several good signatures (of an elliptic curve,
        # s and n - s), which whoever holds one can make. The last that came is remembered.
        self._remembered: LRUCache[bytes, _Verified] = LRUCache(_REMEMBERED)

    def verify(self, token: str, now: float) -> Bearer:
        """Returns whom a token is about.

        Args:
            token: Something that looks like one.
            now: In Unix seconds.

        Raises:
            Refusal: `INVALID_TOKEN`, whatever is wrong with it; `UNAVAILABLE`, there are no keys to tell.
        """
        if len(token) > LENGTH_MAX:
            raise _refused("too long")
        keys = self._keys.current
        if keys is None:
            raise Refusal(UNAVAILABLE, reason="there are no issuer's keys")
        digest = hashlib.sha256(token.encode()).digest()
        place = hashlib.sha256(token.rpartition(".")[0].encode()).digest()
        with self._lock:
            found = self._remembered.get(place)
        if found and found.stands_for(digest, keys) and now < found.bearer.expires + self._rules.leeway:
            return found.bearer
        bearer = _bearer(self._claims(token, keys), self._rules)
        with self._lock:
            self._remembered[place] = _Verified(digest, keys, bearer)
        return bearer

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
            # One, unless the issuer gave several keys one id.
            for key in candidates[:-1]:
                try:
                    return self._decode(token, key)
                except jwt.InvalidSignatureError:
                    continue
            return self._decode(token, candidates[-1])
        except jwt.PyJWTError as error:
            raise _refused(_REASONS.get(type(error), "malformed")) from None
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            # What the library does not foresee of a stranger's bytes.
            raise _refused("malformed") from None

    def _decode(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        rules = self._rules
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=rules.algorithms,
            issuer=rules.issuers,
            audience=rules.audience,
            leeway=rules.leeway,
            options={"require": list(_REQUIRED), "enforce_minimum_key_length": True},
        )
        return claims


def _bearer(claims: Mapping[str, Any], rules: TokenRules) -> Bearer:
    subject = claims["sub"]
    if not is_subject(subject):
        raise _refused("a subject that can be none")
    expires = int(claims["exp"])
    names = rules.organization_claim
    if not names or names[0] not in claims:
        scope = claims.get("scope", "")
        if not isinstance(scope, str):
            raise _refused("a scope that is no text")
        # Of what the issuer grants, this alone: to read for any organization is not its to give.
        scopes = frozenset({MODELS_READ} & set(scope.split(" ")))
        return Bearer(subject, None, machine=True, scopes=scopes, expires=expires)
    organization: Any = claims
    for name in names:
        organization = organization.get(name) if isinstance(organization, dict) else None
    if not isinstance(organization, str):
        raise _refused("an organization that is no text")
    permitted = rules.required_role is None or rules.required_role in _roles(claims)
    return Bearer(
        subject,
        organization if is_organization_id(organization) else None,
        machine=False,
        scopes=frozenset({MODELS_READ} if permitted else ()),
        expires=expires,
    )


def _roles(claims: Mapping[str, Any]) -> list[Any]:
    session = claims.get(_SESSION)
    listed = (session.get("roles") if isinstance(session, dict) else None, claims.get("roles"))
    return [role for roles in listed if isinstance(roles, list) for role in roles]


def _refused(reason: str) -> Refusal:
    return Refusal(INVALID_TOKEN, reason=reason)
