"""A certificate that cannot be used is found out before callers do, in one line that names the setting."""

from __future__ import annotations

import base64
import contextlib
import io
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from modelservice.background import ReportedError
from modelservice.certificates import check_pair, parse_certificates
from modelservice.errors import InvalidSettingError
from modelservice.pem_files import PairFiles, PemFile
from modelservice.rpc.tls_certificates import ServerCertificate
from modelservice.telemetry import make_log
from tests.support.authority import EXPIRED, LIFE, NOT_YET, Authority, Issued, Key, rename
from tests.support.harness import wait_until
from tests.support.issuer import rsa_key

AUTHORITY = Authority()


def put(folder: Path, issued: Issued) -> PairFiles:
    certificate, key = rename(folder, issued)
    return PairFiles(PemFile("CERTIFICATE", certificate), PemFile("KEY", key))


def check(files: PairFiles) -> datetime:
    return check_pair(files, files.certificate.read(), files.key.read())


def encrypted() -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    return Issued(AUTHORITY.issue(key=key).certificate, text)


def on_an_unknown_curve(certificate: bytes) -> bytes:
    """Returns a certificate whose key claims a curve that nobody knows: one byte of the curve's number is another."""
    der = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    p256 = bytes.fromhex("06082a8648ce3d030107")
    assert 1 == der.count(p256)
    text = base64.encodebytes(der.replace(p256, p256[:-1] + b"\x7f"))
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"


def spelled_out() -> Issued:
    """Makes a pair whose curve, P-256, is described by its parameters rather than named."""
    options = ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-pkeyopt", "ec_param_enc:explicit"]
    with TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key"), Path(folder, "certificate")
        command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", *options, "-subj", "/CN=x"]
        subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        return Issued(certificate.read_bytes(), key.read_bytes())


KINDS = "must be RSA, Ed25519, or ECDSA with P-256, P-384, P-521"
GOOD = AUTHORITY.issue()
WRONG: dict[str, tuple[Callable[[], Issued], str]] = {
    "a curve that is spelled out": (spelled_out, f"KEY: explicit curve parameters: {KINDS}"),
    "no certificate": (lambda: Issued(b"x", GOOD.key), "CERTIFICATE: {}/tls.crt contains no PEM certificate"),
    "an empty file": (lambda: Issued(b"", GOOD.key), "CERTIFICATE: {}/tls.crt contains no PEM certificate"),
    "DER": (lambda: Issued(GOOD.der, GOOD.key), "CERTIFICATE: {}/tls.crt contains no PEM certificate"),
    "a key instead": (lambda: Issued(GOOD.key, GOOD.key), "CERTIFICATE: {}/tls.crt contains no PEM certificate"),
    "no key": (lambda: Issued(GOOD.certificate, b"x"), "KEY: {}/tls.key contains no PEM private key"),
    "a cut key": (lambda: Issued(GOOD.certificate, GOOD.key[:-60]), "KEY: {}/tls.key contains no PEM private key"),
    "a certificate instead": (
        lambda: Issued(GOOD.certificate, GOOD.certificate),
        "KEY: {}/tls.key contains no PEM private key",
    ),
    "encrypted": (encrypted, "KEY: {}/tls.key is encrypted: the key must have no passphrase"),
    "another key": (lambda: Issued(GOOD.certificate, AUTHORITY.issue().key), "KEY: is not the key of CERTIFICATE"),
    "a short key": (
        lambda: AUTHORITY.issue(key=rsa_key("short", 1024)),
        "KEY: RSA key of 1024 bits: must have at least 2048 bits",
    ),
    "P-224": (
        lambda: AUTHORITY.issue(key=ec.generate_private_key(ec.SECP224R1())),
        f"KEY: unsupported curve secp224r1: {KINDS}",
    ),
    "secp256k1": (
        lambda: AUTHORITY.issue(key=ec.generate_private_key(ec.SECP256K1())),
        f"KEY: unsupported curve secp256k1: {KINDS}",
    ),
    "a Brainpool curve": (
        lambda: AUTHORITY.issue(key=ec.generate_private_key(ec.BrainpoolP256R1())),
        f"KEY: unsupported curve brainpoolP256r1: {KINDS}",
    ),
    "Ed448": (
        lambda: AUTHORITY.issue(key=ed448.Ed448PrivateKey.generate()),
        f"KEY: unsupported key type: {KINDS}",
    ),
    "DSA": (
        lambda: AUTHORITY.issue(key=dsa.generate_private_key(2048)),
        f"KEY: unsupported key type: {KINDS}",
    ),
    "a curve without a name": (
        lambda: Issued(on_an_unknown_curve(GOOD.certificate), GOOD.key),
        f"CERTIFICATE: unsupported key type: {KINDS}",
    ),
    "a huge file": (lambda: Issued(b" " * 1_000_001, b""), "CERTIFICATE: {}/tls.crt is larger than 1,000,000 bytes"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_pair_that_cannot_be_used_is_one_line(tmp_path: Path, what: str) -> None:
    make, line = WRONG[what]
    files = put(tmp_path, make())

    with pytest.raises(InvalidSettingError) as raised:
        check(files)

    assert line.format(tmp_path) == str(raised.value)


@pytest.mark.parametrize(("shifted", "said"), [(EXPIRED, "expired on 20"), (NOT_YET, "is not valid before 20")])
def test_a_certificate_is_not_taken_outside_its_time(tmp_path: Path, shifted: timedelta, said: str) -> None:
    files = put(tmp_path, AUTHORITY.issue(shifted=shifted))

    with pytest.raises(InvalidSettingError, match=f"^CERTIFICATE: {said}"):
        check(files)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    files = put(tmp_path, GOOD)
    files.key.path.unlink()

    with pytest.raises(InvalidSettingError, match=rf"^KEY: cannot read {tmp_path}/tls.key: No such file or directory$"):
        check(files)
    files.key.path.mkdir()
    with pytest.raises(InvalidSettingError, match=rf"^KEY: cannot read {tmp_path}/tls.key: Is a directory$"):
        check(files)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa_key("key-1"),
    ],
    ids=["P-256", "P-384", "P-521", "Ed25519", "RSA"],
)
def test_a_pair_with_its_chain_is_good_until_its_own_certificate_expires(tmp_path: Path, key: Key) -> None:
    issued = AUTHORITY.issue(key=key)
    files = put(tmp_path, Issued(issued.certificate + AUTHORITY.certificate, issued.key))

    assert x509.load_pem_x509_certificate(issued.certificate).not_valid_after_utc == check(files)


def test_an_authority_is_certificates(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    bundle = AUTHORITY.certificate + Authority("other").certificate
    file.write_bytes(bundle)
    authority = PemFile("CA", file)
    assert 2 == len(parse_certificates(authority, authority.read()))

    file.write_bytes(GOOD.key)
    with pytest.raises(InvalidSettingError, match=rf"^CA: {file} contains no PEM certificate$"):
        parse_certificates(authority, authority.read())


def poll(served: ServerCertificate) -> None:
    with contextlib.suppress(ReportedError):
        served.poll()


def test_a_certificate_that_expires_meanwhile_is_said_once_and_serves_on(tmp_path: Path) -> None:
    lines = io.StringIO()
    files = put(tmp_path, AUTHORITY.issue(shifted=timedelta(seconds=3) - LIFE))
    served = ServerCertificate(files, None, make_log(lines, "info"))

    def said() -> int:
        poll(served)
        return lines.getvalue().count("certificate not renewed")

    wait_until(said, "it has expired")
    assert 1 == said()
    assert "CERTIFICATE: expired on 20" in lines.getvalue()

    expired = served.expires
    put(tmp_path, GOOD)
    assert 1 == said()
    assert served.expires > expired
    assert 1 == lines.getvalue().count("certificate renewed")


@pytest.mark.parametrize("what", ["secp256k1", "a curve without a name"])
def test_a_renewal_that_cannot_be_used_is_said_and_the_next_one_taken(tmp_path: Path, what: str) -> None:
    lines = io.StringIO()
    served = ServerCertificate(put(tmp_path, GOOD), None, make_log(lines, "info"))
    make, line = WRONG[what]

    put(tmp_path, make())
    poll(served)

    assert line in lines.getvalue()
    put(tmp_path, AUTHORITY.issue())
    poll(served)
    assert 1 == lines.getvalue().count("certificate renewed")
