"""Parses certificates and keys, and rejects those that gRPC or Envoy could not serve."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from modelservice.errors import InvalidSettingError
from modelservice.pem_files import PairFiles, PemFile

# BoringSSL, in both Envoy and gRPC, supports no other curves.
_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_RSA_BITS_MIN: Final = 2048
# "prime-field" (1.2.840.10045.1.1): curve parameters instead of a name. gRPC and Envoy refuse them.
_EXPLICIT_CURVE: Final = bytes.fromhex("06072a8648ce3d0101")
_PRIVATE_KEY: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----([^-]*)-----END")
_SUPPORTED: Final = f"must be RSA, Ed25519, or ECDSA with {', '.join(_CURVES.values())}"


def check_pair(files: PairFiles, chain: bytes, key: bytes) -> datetime:
    """Checks the contents of a certificate file and its key file. Returns when the certificate expires.

    Raises:
        InvalidSettingError: Either is not PEM or not supported, they do not match, or the certificate is not valid now.
    """
    leaf = parse_certificates(files.certificate, chain)[0]
    if _der(_parse_key(files.key, key).public_key()) != _public_key_of(files.certificate, leaf):
        raise InvalidSettingError(f"{files.key.setting}: is not the key of {files.certificate.setting}")
    now, begins, expires = datetime.now(UTC), leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now > expires:
        raise InvalidSettingError(f"{files.certificate.setting}: expired on {expires:%F %T} UTC")
    if now < begins:
        raise InvalidSettingError(f"{files.certificate.setting}: is not valid before {begins:%F %T} UTC")
    return expires


def read_leaf(file: PemFile) -> bytes:
    """Reads the first certificate of a chain, as DER.

    Raises:
        InvalidSettingError: The file cannot be read, or is not a certificate.
    """
    return parse_certificates(file, file.read())[0].public_bytes(Encoding.DER)


def parse_certificates(file: PemFile, text: bytes) -> list[x509.Certificate]:
    """Parses the contents of a file of certificates.

    Raises:
        InvalidSettingError: It contains no PEM certificate, or one that cannot be parsed.
    """
    try:
        return x509.load_pem_x509_certificates(text)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise InvalidSettingError(f"{file.setting}: {file.path} contains no PEM certificate") from None


def _parse_key(file: PemFile, text: bytes) -> PrivateKeyTypes:
    # The library's own messages may quote the key, so none is repeated.
    try:
        key = load_pem_private_key(text, password=None)
        explicit = any(_EXPLICIT_CURVE in base64.b64decode(body) for body in _PRIVATE_KEY.findall(text))
    except TypeError:
        raise InvalidSettingError(
            f"{file.setting}: {file.path} is encrypted: the key must have no passphrase"
        ) from None
    except UnsupportedAlgorithm:
        raise InvalidSettingError(f"{file.setting}: unsupported key type: {_SUPPORTED}") from None
    except ValueError:
        raise InvalidSettingError(f"{file.setting}: {file.path} contains no PEM private key") from None
    if explicit:
        raise InvalidSettingError(f"{file.setting}: explicit curve parameters: {_SUPPORTED}")
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name not in _CURVES:
        raise InvalidSettingError(f"{file.setting}: unsupported curve {key.curve.name}: {_SUPPORTED}")
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        raise InvalidSettingError(f"{file.setting}: unsupported key type: {_SUPPORTED}")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _RSA_BITS_MIN:
        raise InvalidSettingError(
            f"{file.setting}: RSA key of {key.key_size} bits: must have at least {_RSA_BITS_MIN} bits"
        )
    return key


def _public_key_of(file: PemFile, leaf: x509.Certificate) -> bytes:
    if _EXPLICIT_CURVE in leaf.tbs_certificate_bytes:
        raise InvalidSettingError(f"{file.setting}: explicit curve parameters: {_SUPPORTED}")
    try:
        return _der(leaf.public_key())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidSettingError(f"{file.setting}: unsupported key type: {_SUPPORTED}") from None


def _der(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
