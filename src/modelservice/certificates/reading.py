"""Reads certificates, and says of them what would otherwise be found out by callers."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from modelservice.certificates.files import PairFiles, PemFile
from modelservice.errors import InvalidSettingError

# In bytes: far above any chain, and the bundle of a whole system's authorities.
_BYTES_MAX: Final = 1_000_000
# What Envoy and gRPC can load: both use BoringSSL, which has no other curves.
_RSA_BITS_MIN: Final = 2048
_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
# "prime-field" (1.2.840.10045.1.1): a curve's parameters instead of its name, which gRPC and Envoy refuse.
_EXPLICIT_CURVE: Final = bytes.fromhex("06072a8648ce3d0101")
_PRIVATE_KEY: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----([^-]*)-----END")
_KEYS: Final = f"must be RSA, Ed25519, or ECDSA with {', '.join(_CURVES.values())}"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate, with its chain, and its key.

    Attributes:
        chain: The certificates as PEM, the owner's first.
        key: The key as PEM. It is not shown.
        expires: Until when it is valid.
    """

    chain: bytes
    key: bytes = field(repr=False)
    expires: datetime


def read_pair(files: PairFiles) -> Pair:
    """Reads a certificate and its key.

    Raises:
        InvalidSettingError: They cannot be used: a file cannot be read or is something else, they do not belong
            together, the certificate is not valid now.
    """
    return parse_pair(files, read_file(files.certificate), read_file(files.key))


def parse_pair(files: PairFiles, chain: bytes, key: bytes) -> Pair:
    """Makes a pair of what was read from its files.

    Raises:
        InvalidSettingError: As `read_pair`.
    """
    leaf = _certificates(files.certificate, chain)[0]
    if _public(_private_key(files.key, key)) != _public_of(files.certificate, leaf):
        raise InvalidSettingError(f"{files.key.setting}: is not the key of {files.certificate.setting}")
    now = datetime.now(UTC)
    if now > leaf.not_valid_after_utc:
        raise InvalidSettingError(f"{files.certificate.setting}: has expired, on {leaf.not_valid_after_utc:%F %T} UTC")
    if now < leaf.not_valid_before_utc:
        raise InvalidSettingError(
            f"{files.certificate.setting}: is not valid before {leaf.not_valid_before_utc:%F %T} UTC"
        )
    return Pair(chain, key, leaf.not_valid_after_utc)


def read_leaf(file: PemFile) -> bytes:
    """Reads the owner's certificate alone, as DER.

    Raises:
        InvalidSettingError: The file cannot be read, or is something else.
    """
    return _certificates(file, read_file(file))[0].public_bytes(Encoding.DER)


def read_authority(file: PemFile) -> bytes:
    """Reads the certificates of the authorities that are trusted, as PEM.

    Raises:
        InvalidSettingError: The file cannot be read, or is something else.
    """
    return parse_authority(file, read_file(file))


def parse_authority(file: PemFile, text: bytes) -> bytes:
    """Returns what was read from the file of authorities, when it is that.

    Raises:
        InvalidSettingError: It is something else.
    """
    _certificates(file, text)
    return text


def read_file(file: PemFile) -> bytes:
    """Reads a file.

    Raises:
        InvalidSettingError: It cannot be read, or is far too large.
    """
    try:
        with file.path.open("rb") as stream:
            text = stream.read(_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidSettingError(f"{file.setting}: cannot read {file.path}: {error.strerror}") from None
    if len(text) > _BYTES_MAX:
        raise InvalidSettingError(f"{file.setting}: {file.path} is larger than {_BYTES_MAX:,} bytes")
    return text


def _certificates(file: PemFile, text: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise InvalidSettingError(f"{file.setting}: {file.path} holds no certificate in PEM") from None


def _private_key(file: PemFile, text: bytes) -> PrivateKeyTypes:
    # What the library says of a key that it cannot read stays out of the message: it may repeat some of it.
    try:
        key = load_pem_private_key(text, password=None)
        explicit = any(_EXPLICIT_CURVE in base64.b64decode(body) for body in _PRIVATE_KEY.findall(text))
    except TypeError:
        raise InvalidSettingError(
            f"{file.setting}: {file.path} is encrypted: the key must be there without a passphrase"
        ) from None
    except UnsupportedAlgorithm:
        raise InvalidSettingError(f"{file.setting}: the key is of a kind that is not supported: {_KEYS}") from None
    except ValueError:
        raise InvalidSettingError(f"{file.setting}: {file.path} holds no private key in PEM") from None
    if explicit:
        raise InvalidSettingError(f"{file.setting}: the key spells its curve out, rather than name it: {_KEYS}")
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name not in _CURVES:
        raise InvalidSettingError(f"{file.setting}: the key has the curve {key.curve.name}: {_KEYS}")
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        raise InvalidSettingError(f"{file.setting}: the key is of a kind that is not supported: {_KEYS}")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _RSA_BITS_MIN:
        raise InvalidSettingError(
            f"{file.setting}: an RSA key must have {_RSA_BITS_MIN} bits at least, not {key.key_size}"
        )
    return key


def _public_of(file: PemFile, leaf: x509.Certificate) -> bytes:
    if _EXPLICIT_CURVE in leaf.tbs_certificate_bytes:
        raise InvalidSettingError(f"{file.setting}: its key spells its curve out, rather than name it: {_KEYS}")
    try:
        return leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidSettingError(f"{file.setting}: its key is of a kind that is not supported: {_KEYS}") from None


def _public(key: PrivateKeyTypes) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
