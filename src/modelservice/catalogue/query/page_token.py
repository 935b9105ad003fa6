"""Page tokens: places in a list, encrypted and authenticated.

A place in catalogue order holds a position, and positions count the models of all organizations: a caller who could
read one would learn how many models others create. The same place has the same token on every server, because the
token is part of a page's entity tag; so there is no random nonce.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

# In bytes.
_TAG: Final = 16
# Longer than any position in JSON, so that the length of a token does not reveal the number of digits.
_PLACE_MIN: Final = 32


def seal(key: bytes, place: str) -> str:
    """Returns the token of a place, which is JSON and may be padded with spaces."""
    data = place.ljust(_PLACE_MIN).encode()
    tag = _tag(key, data)
    return base64.urlsafe_b64encode(tag + _masked(key, tag, data)).rstrip(b"=").decode()


def unseal(key: bytes, token: str) -> str:
    """Returns the place of a token.

    Raises:
        ValueError: The token is malformed, or sealed with another key.
    """
    data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    tag, place = data[:_TAG], _masked(key, data[:_TAG], data[_TAG:])
    # Base64 can spell the same bytes in several ways; only one is accepted.
    canonical = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    if canonical != token or not hmac.compare_digest(tag, _tag(key, place)):
        raise ValueError(token)
    return place.decode()


def _tag(key: bytes, place: bytes) -> bytes:
    return hmac.digest(key, place, "sha256")[:_TAG]


def _masked(key: bytes, tag: bytes, data: bytes) -> bytes:
    """Encrypts or decrypts. The tag is the nonce, as in RFC 5297, so no two places share a mask."""
    mask = hashlib.shake_256(key + tag).digest(len(data))
    return bytes(one ^ other for one, other in zip(data, mask, strict=True))
