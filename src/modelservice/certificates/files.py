"""Which files hold a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PemFile:
    """A file.

    Attributes:
        setting: What names it: messages say so.
        path: Where it is.
    """

    setting: str
    path: Path


@dataclass(frozen=True, slots=True)
class PairFiles:
    """The files of a certificate and of its private key.

    Attributes:
        certificate: The certificate, and those between it and the authority.
        key: The key.
    """

    certificate: PemFile
    key: PemFile
