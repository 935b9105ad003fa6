"""The keys with which an issuer signs its tokens: a JSON Web Key Set (RFC 7517)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt.algorithms import get_default_algorithms

# What issuers publish is a few kilobytes and a handful of keys.
BYTES_MAX: Final = 256 * 1024
_KEYS_MAX: Final = 100
# An RSA key's modulus as base64url, for 8,192 bits: verifying with a longer one would take milliseconds.
_MODULUS_MAX: Final = 1_400
# Which kind of key makes which signatures (RFC 7518, 3.1; RFC 8037), by the algorithm's first two letters.
_KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class KeySetError(Exception):
    """There is no usable key set. The text says what is wrong, and repeats nothing that was received."""


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """The keys of one moment.

    Attributes:
        content: The keys as text: equal for equal sets.
        keys: The keys with which a signature may have been made, by key id and algorithm.
    """

    content: str
    keys: Mapping[tuple[str | None, str], tuple[jwt.PyJWK, ...]]

    @property
    def key_ids(self) -> list[str]:
        """The ids of its keys."""
        return sorted({key_id for key_id, _ in self.keys if key_id is not None})

    def find(self, key_id: str | None, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        """Returns the keys that may have signed a token; several when the issuer gave them one id.

        Args:
            key_id: What the token's header says. Without it, the set's only key for the algorithm is the one (OpenID
                Connect Core, 10.1).
            algorithm: Likewise.
        """
        if key_id is not None:
            return self.keys.get((key_id, algorithm), ())
        fitting = [key for (_, name), keys in self.keys.items() if name == algorithm for key in keys]
        return tuple(fitting) if len(fitting) == 1 else ()


def parse_key_set(data: bytes, algorithms: Collection[str]) -> KeySet:
    """Reads a key set. Keys that are not for these signatures, or too weak, are left out.

    Args:
        data: What the issuer publishes: JSON.
        algorithms: How tokens may be signed.

    Raises:
        KeySetError: It is no key set, too large, or has no key that fits.
    """
    if len(data) > BYTES_MAX:
        raise KeySetError("it is too large")
    try:
        document = json.loads(data)
        listed = document["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise KeySetError("it is no JSON Web Key Set") from None
    if not isinstance(listed, list) or len(listed) > _KEYS_MAX:
        raise KeySetError("it is no JSON Web Key Set, or one of too many keys")
    found: dict[tuple[str | None, str], tuple[jwt.PyJWK, ...]] = {}
    used = []
    for item in listed:
        for algorithm in sorted(algorithms):
            key = _key(item, algorithm)
            if key:
                place = (item.get("kid"), algorithm)
                found[place] = (*found.get(place, ()), key)
                used.append(item)
    if not found:
        raise KeySetError(f"it has no key for {', '.join(sorted(algorithms))}")
    return KeySet(json.dumps(used, sort_keys=True), found)


def _key(item: Any, algorithm: str) -> jwt.PyJWK | None:  # noqa: ANN401  (any JSON)
    if not isinstance(item, dict) or not _fits(item, algorithm):
        return None
    signature = get_default_algorithms()[algorithm]
    try:
        key = jwt.PyJWK(item, algorithm)
        # The curve must be the algorithm's (RFC 7518, 3.4), and an RSA key have 2,048 bits (3.3).
        weak = signature.check_key_length(signature.prepare_key(key.key))
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    return None if weak else key


def _fits(item: Mapping[str, Any], algorithm: str) -> bool:
    operations = item.get("key_ops", ["verify"])
    return (
        item.get("kty") == _KEY_TYPES[algorithm[:2]]
        and item.get("alg", algorithm) == algorithm
        and item.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        # It makes a private key, which has no place there: whoever can read it can sign.
        and "d" not in item
        and isinstance(item.get("kid", ""), str)
        and len(str(item.get("n", ""))) <= _MODULUS_MAX
    )
