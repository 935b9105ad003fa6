"""The format of an API key.

    msk_<id: 12>_<secret: 32><checksum: 6>

The prefix lets secret scanners and people recognize a leaked key. The id is public and identifies the row of the key.
Id and secret are random letters and digits, of 71 and 190 bits. The checksum is the CRC-32 of everything before it, so
that typing errors are rejected without a look-up.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import Final

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH: Final = 12
_SECRET_LENGTH: Final = 32
_CHECKSUM_LENGTH: Final = 6
# The checksum is encoded two digits at a time.
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_PAIR: Final = len(_PAIRS)
_SHAPE: Final = re.compile(rf"msk_([0-9A-Za-z]{{{_ID_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """An API key in clear text.

    Attributes:
        id: Its public part.
        text: The whole key, never stored or logged.
    """

    id: str
    text: str = field(repr=False)

    def digest(self) -> bytes:
        """Returns the 32 bytes that are stored instead of the key.

        Plain SHA-256: slow hashes protect passwords that people choose, not 190 random bits.
        """
        return hashlib.sha256(self.text.encode()).digest()


def generate() -> PresentedKey:
    """Generates a key."""
    key_id = _random(_ID_LENGTH)
    body = f"msk_{key_id}_{_random(_SECRET_LENGTH)}"
    return PresentedKey(key_id, body + _checksum(body))


def parse(text: str) -> PresentedKey | None:
    """Parses a key. Returns None if its form or checksum is wrong."""
    match = _SHAPE.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
        return None
    return PresentedKey(match[1], text)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    return _PAIRS[number // _PAIR**2] + _PAIRS[number // _PAIR % _PAIR] + _PAIRS[number % _PAIR]
