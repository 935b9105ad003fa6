"""Page tokens: places in a list, sealed with a key that no caller has.

A place in the catalogue's order holds a position, and the models of all organizations are counted together: a caller
who could read it would know how many models others create. So places are encrypted and authenticated. The same place
has the same token always and on every server, as a page's entity tag demands; so there is no random nonce.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

# In bytes.
_TAG: Final = 16
# No position is longer: its length would say how large it is.
_PLACE_MIN: Final = 32


def seal(key: bytes, place: str) -> str:
    """Returns the token of a place.

    Args:
        key: For this query of this caller's organization alone.
        place: JSON, whose end may be padded with spaces.
    """
    data = place.ljust(_PLACE_MIN).encode()
    tag = _tag(key, data)
    return base64.urlsafe_b64encode(tag + _masked(key, tag, data)).rstrip(b"=").decode()


def unseal(key: bytes, token: str) -> str:
    """Returns the place of a token.

    Raises:
        ValueError: It is no token, or one that was sealed with another key.
    """
    # What has other characters, or bits that no token has, is not one.
    data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    tag, place = data[:_TAG], _masked(key, data[:_TAG], data[_TAG:])
    canonical = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    if canonical != token or not hmac.compare_digest(tag, _tag(key, place)):
        raise ValueError(token)
    return place.decode()


def _tag(key: bytes, place: bytes) -> bytes:
    return hmac.digest(key, place, "sha256")[:_TAG]


def _masked(key: bytes, tag: bytes, data: bytes) -> bytes:
    """Encrypts, or decrypts: the tag is the nonce, as in RFC 5297, so no mask is used for two places."""
    mask = hashlib.shake_256(key + tag).digest(len(data))
    return bytes(one ^ other for one, other in zip(data, mask, strict=True))
