"""A certificate authority of the tests' own, and what can be wrong with a certificate."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.issuer import ec_key

# What a certificate can be for, whether anybody takes it or not.
Key = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | dsa.DSAPrivateKey
)
HERE = ("localhost", "127.0.0.1")
# Before and after the moment of its making.
LIFE = timedelta(days=30)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes

    @property
    def der(self) -> bytes:
        return x509.load_pem_x509_certificate(self.certificate).public_bytes(Encoding.DER)


class Authority:
    """Vouches for certificates."""

    def __init__(self, name: str = "authority") -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec_key(name)
        made = _builder(self._name, self._name, self._key, timedelta()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.certificate = made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def issue(
        self,
        *names: str,
        key: Key | None = None,
        shifted: timedelta = timedelta(),
    ) -> Issued:
        """Returns a certificate for names, this machine's if none is given, and a key of its own.

        Args:
            names: Host names, IP addresses, URIs.
            key: The key.
            shifted: By how much earlier or later than now it is valid.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "not looked at")])
        made = _builder(subject, self._name, key, shifted).add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names or HERE]), critical=False
        )
        return Issued(
            made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )


EXPIRED = -2 * LIFE
NOT_YET = 2 * LIFE


def rename(folder: Path, issued: Issued) -> tuple[Path, Path]:
    """Puts a pair into a folder, each file by a rename: what is read is the old one or the new one."""
    folder.mkdir(exist_ok=True)
    for name, text in (("tls.crt", issued.certificate), ("tls.key", issued.key)):
        replace(folder / name, text)
    return folder / "tls.crt", folder / "tls.key"


def replace(file: Path, text: bytes) -> None:
    """Puts a file in the place of another."""
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(text)
    new.rename(file)


def mount(folder: Path, issued: Issued) -> tuple[Path, Path]:
    """Puts a pair into a folder as Kubernetes does with a secret: both at once, by one symbolic link."""
    folder.mkdir(exist_ok=True)
    version = folder / f"..{os.urandom(8).hex()}"
    rename(version, issued)
    (folder / "..data_tmp").symlink_to(version.name)
    (folder / "..data_tmp").rename(folder / "..data")
    for name in ("tls.crt", "tls.key"):
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(f"..data/{name}")
    return folder / "tls.crt", folder / "tls.key"


def link(folder: Path, issued: Issued) -> tuple[Path, Path]:
    """Puts a pair into a folder as certbot does: symbolic links, which are taken away and made again."""
    folder.mkdir(exist_ok=True)
    version = folder.with_name(os.urandom(8).hex())
    rename(version, issued)
    for name in ("tls.crt", "tls.key"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(version / name)
    return folder / "tls.crt", folder / "tls.key"


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, shifted: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC) + shifted
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFE)
        .not_valid_after(now + LIFE)
    )


def _general_name(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
