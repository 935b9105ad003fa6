"""PEM files that settings name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from modelservice.errors import InvalidSettingError

# In bytes: far more than any chain, or the bundle of all authorities that a system trusts.
_BYTES_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class PemFile:
    """A PEM file.

    Attributes:
        setting: The setting that names the file, for error messages.
        path: The file.
    """

    setting: str
    path: Path

    def read(self) -> bytes:
        """Reads the file.

        Raises:
            InvalidSettingError: The file cannot be read, or is too large.
        """
        try:
            with self.path.open("rb") as stream:
                text = stream.read(_BYTES_MAX + 1)
        except OSError as error:
            raise InvalidSettingError(f"{self.setting}: cannot read {self.path}: {error.strerror}") from None
        if len(text) > _BYTES_MAX:
            raise InvalidSettingError(f"{self.setting}: {self.path} is larger than {_BYTES_MAX:,} bytes")
        return text


@dataclass(frozen=True, slots=True)
class PairFiles:
    """A certificate chain, leaf first, and the leaf's private key."""

    certificate: PemFile
    key: PemFile
