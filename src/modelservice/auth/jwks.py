"""JSON Web Key Sets (RFC 7517): the keys that verify an issuer's tokens."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt.algorithms import get_default_algorithms

# Issuers publish a few kilobytes and a handful of keys.
BYTES_MAX: Final = 256 * 1024
_KEYS_MAX: Final = 100
# Characters of an RSA modulus of 8,192 bits in base64url. Verifying with a longer one would take milliseconds.
_MODULUS_MAX: Final = 1_400
# Key types by the first two letters of the algorithm (RFC 7518, 3.1; RFC 8037).
_KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class KeySetError(Exception):
    """No usable key set. The text repeats nothing that was received."""


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """A key set.

    Attributes:
        content: The keys as text, equal for equal sets.
        keys: The keys by key id and algorithm.
    """

    content: str
    keys: Mapping[tuple[str | None, str], tuple[jwt.PyJWK, ...]]

    @property
    def key_ids(self) -> list[str]:
        """The ids of the keys, sorted."""
        return sorted({key_id for key_id, _ in self.keys if key_id is not None})

    def find(self, key_id: str | None, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        """Returns the keys that may have signed a token: several only if the issuer gave them one id.

        Without a key id, that is the only key for the algorithm (OpenID Connect Core, 10.1).
        """
        if key_id is not None:
            return self.keys.get((key_id, algorithm), ())
        fitting = [key for (_, name), keys in self.keys.items() if name == algorithm for key in keys]
        return tuple(fitting) if len(fitting) == 1 else ()


def parse_key_set(data: bytes, algorithms: Collection[str]) -> KeySet:
    """Parses a key set, without keys that are too weak or for other algorithms.

    Raises:
        KeySetError: The data is no key set, is too large, or has no suitable key.
    """
    if len(data) > BYTES_MAX:
        raise KeySetError("larger than 256 KB")
    try:
        document = json.loads(data)
        listed = document["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise KeySetError("not a JSON Web Key Set") from None
    if not isinstance(listed, list) or len(listed) > _KEYS_MAX:
        raise KeySetError(f"not a JSON Web Key Set of at most {_KEYS_MAX} keys")
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
        raise KeySetError(f"no key for {', '.join(sorted(algorithms))}")
    return KeySet(json.dumps(used, sort_keys=True), found)


def _key(item: Any, algorithm: str) -> jwt.PyJWK | None:  # noqa: ANN401  (any JSON)
    if not isinstance(item, dict) or not _fits(item, algorithm):
        return None
    signature = get_default_algorithms()[algorithm]
    try:
        key = jwt.PyJWK(item, algorithm)
        # The curve must be the algorithm's (RFC 7518, 3.4); an RSA key needs 2,048 bits (3.3).
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
        # A published private key lets anyone sign.
        and "d" not in item
        and isinstance(item.get("kid", ""), str)
        and len(str(item.get("n", ""))) <= _MODULUS_MAX
    )
