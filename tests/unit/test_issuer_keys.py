"""The issuer's keys: fetched in the background, bounded in size and time, and kept while the issuer is down."""

from __future__ import annotations

import datetime as dt
import io
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm

from modelservice.auth.issuer_keys import IssuerKeys, Schedule
from modelservice.auth.jwks import BYTES_MAX, KeySetError, parse_key_set
from modelservice.auth.key_source import Issuer as Source
from modelservice.auth.key_source import key_source
from modelservice.auth.token import TokenVerifier
from modelservice.errors import INVALID_TOKEN, Refusal
from modelservice.telemetry import make_log
from tests.support.harness import wait_until
from tests.support.issuer import RULES, Issuer, ec_key, key_set, member, public, public_ec, rsa_key, sign
from tests.support.ports import free_ports

# So short that a test need not wait, and so long that what must not happen does not happen by chance.
QUICK = Schedule(interval=0.2, cool_down=0.05)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as one:
        yield one


@pytest.fixture
def running() -> Iterator[Callable[..., tuple[IssuerKeys, io.StringIO]]]:
    started: list[IssuerKeys] = []

    def start(source: Callable[[], bytes], schedule: Schedule = QUICK) -> tuple[IssuerKeys, io.StringIO]:
        log = io.StringIO()
        keys = IssuerKeys(source, ("RS256",), make_log(log, "info"), schedule)
        started.append(keys)
        keys.start()
        assert keys.asked.wait(30)
        return keys, log

    yield start
    for keys in started:
        keys.close()


def messages(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


BAD_SETS: dict[str, bytes] = {
    "nothing": b"",
    "HTML": b"<!doctype html><html><body>Sign in</body></html>",
    "no key set": b'{"error": "not found"}',
    "a list": b"[]",
    "keys that are no list": b'{"keys": {}}',
    "an empty set": b'{"keys": []}',
    "great depth": b"[" * 100_000,
    "not UTF-8": b'{"keys": ["\xff"]}',
    "huge": key_set(public("key-1")) + b" " * BYTES_MAX,
    "too many keys": key_set(*[public("key-1", kid=str(number)) for number in range(101)]),
    "keys that are no objects": b'{"keys": [1, null, "x", []]}',
    "a shared secret": key_set({"kty": "oct", "k": "c2VjcmV0", "kid": "key-1", "alg": "HS256"}),
    "a shared secret that claims RS256": key_set({"kty": "oct", "k": "c2VjcmV0", "kid": "key-1", "alg": "RS256"}),
    "a key for encryption": key_set(public("key-1", use="enc")),
    "a key that does not verify": key_set(public("key-1", key_ops=["encrypt"])),
    "a key for another algorithm": key_set(public("key-1", alg="RS512")),
    "another kind of key": key_set(public_ec("key-1")),
    "a private key": key_set(public("key-1", d="AQAB")),
    "a kid that is a number": key_set(public("key-1", kid=5)),
    "a modulus that is no text": key_set(public("key-1", n=5)),
    "a modulus that is no base64": key_set(public("key-1", n="!")),
    "a modulus of 100 KB": key_set(public("key-1", n="A" * 100_000)),
    "no exponent": key_set({"kty": "RSA", "kid": "key-1", "n": "AQAB"}),
}


@pytest.mark.parametrize("name", BAD_SETS)
def test_what_is_no_usable_key_set_is_an_error(name: str) -> None:
    with pytest.raises(KeySetError):
        parse_key_set(BAD_SETS[name], ("RS256",))


def test_an_rsa_key_of_less_than_2048_bits_is_left_out() -> None:
    weak = json.loads(RSAAlgorithm.to_jwk(rsa_key("weak", 1024).public_key())) | {"kid": "weak"}

    with pytest.raises(KeySetError):
        parse_key_set(key_set(weak), ("RS256",))
    assert ["key-1"] == parse_key_set(key_set(weak, public("key-1")), ("RS256",)).key_ids


def test_a_curve_that_is_not_the_algorithms_is_left_out() -> None:
    assert ec_key("e1").curve.name == "secp256r1"

    with pytest.raises(KeySetError):
        parse_key_set(key_set(public_ec("e1")), ("ES384", "ES512", "EdDSA"))
    assert ["e1"] == parse_key_set(key_set(public_ec("e1")), ("ES256", "ES384")).key_ids


def test_a_bad_key_beside_a_good_one_does_no_harm() -> None:
    bad = [json.loads(data)["keys"] for name, data in BAD_SETS.items() if name.startswith(("a key", "a kid", "a mod"))]

    found = parse_key_set(key_set(*[key for keys in bad for key in keys], public("good")), ("RS256",))

    assert ["good"] == found.key_ids


# --- Where they come from ---------------------------------------------------------------------------------------------

ANSWERS: dict[str, Callable[[Issuer], tuple[int, dict[str, str], list[bytes]]]] = {
    "not found": lambda _: (404, {}, [b"{}"]),
    "a failure with a key set": lambda _: (500, {}, [key_set(public("key-1"))]),
    "no content": lambda _: (204, {}, []),
    "a redirect": lambda issuer: (302, {"Location": issuer.url + "?elsewhere"}, []),
    "a permanent redirect": lambda issuer: (308, {"Location": issuer.url + "?elsewhere"}, []),
    "a redirect to a file": lambda _: (302, {"Location": "file:///etc/passwd"}, []),
    "huge": lambda _: (200, {}, [b" " * 100_000] * 100),
    "HTML": lambda _: (200, {"Content-Type": "text/html"}, [BAD_SETS["HTML"]]),
    "empty": lambda _: (200, {}, []),
    "cut off": lambda _: (200, {"Content-Length": "5000"}, [b'{"keys": [']),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_bad_answer_is_no_key_set(issuer: Issuer, name: str) -> None:
    issuer.answer = lambda: ANSWERS[name](issuer)

    with pytest.raises(KeySetError):
        parse_key_set(Source(issuer.url).fetch(), ("RS256",))

    assert 1 == issuer.asked


def test_no_more_than_the_bound_is_read(issuer: Issuer) -> None:
    issuer.answer = lambda: (200, {}, [b" " * 100_000] * 100)

    assert BYTES_MAX + 1 == len(Source(issuer.url).fetch())


def test_an_issuer_that_sends_a_byte_at_a_time_is_given_up(issuer: Issuer) -> None:
    issuer.answer = lambda: (200, {}, [b" "] * 1_000)
    issuer.slowness = 0.05
    source = Source(issuer.url, patience=0.3)

    with pytest.raises(KeySetError, match="does not respond in time"):
        source.fetch()
    # One at a time, even so: the first is still under way.
    with pytest.raises(KeySetError, match="does not respond in time"):
        source.fetch()
    assert 1 == issuer.asked

    issuer.answer = None
    issuer.hurry.set()
    wait_until(lambda: _fetched(source), "the issuer answers again")


def _fetched(source: Source) -> bool:
    try:
        return source.fetch() == key_set(public("key-1"))
    except KeySetError:
        return False


def test_an_issuer_that_is_not_there_is_said_so() -> None:
    (port,) = free_ports(1)

    with pytest.raises(KeySetError, match=r"^the issuer cannot be reached: Connection refused$"):
        Source(f"http://127.0.0.1:{port}/jwks").fetch()


def test_a_loopback_issuer_is_asked_without_a_proxy(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    (nobody,) = free_ports(1)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{nobody}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    for host in ("127.0.0.1", "localhost", "LOCALHOST"):
        assert key_set(public("key-1")) == Source(f"http://{host}:{issuer.port}/jwks").fetch()


def test_an_issuer_elsewhere_is_asked_through_the_proxy(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    # What stands in for the proxy answers whatever it is asked.
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{issuer.port}")

    assert key_set(public("key-1")) == Source("http://id.invalid/jwks").fetch()


def certificate(folder: Path, name: str, ends: dt.timedelta) -> Path:
    """Writes a certificate that signs itself, with its key, for a host name."""
    key, subject = ec_key("tls"), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.mark.parametrize(
    ("name", "days", "trusted", "good"),
    [
        ("localhost", 1, True, True),
        ("localhost", 1, False, False),
        ("localhost", -1, True, False),
        ("elsewhere.example", 1, True, False),
    ],
    ids=["a trusted authority", "an unknown authority", "expired", "another host"],
)
def test_an_issuers_certificate_is_checked(
    issuer: Issuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    days: int,
    *,
    trusted: bool,
    good: bool,
) -> None:
    path = certificate(tmp_path, name, dt.timedelta(days=days))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    issuer.server.socket = context.wrap_socket(issuer.server.socket, server_side=True)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    source = Source(f"https://localhost:{issuer.port}/jwks")

    if good:
        assert key_set(public("key-1")) == source.fetch()
    else:
        with pytest.raises(KeySetError, match="the issuer's certificate is not trusted"):
            source.fetch()
        assert 0 == issuer.asked


def test_a_file_is_as_good(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    with pytest.raises(KeySetError, match=r"^the file cannot be read: No such file or directory$"):
        key_source(str(path))()
    path.write_bytes(key_set(public("key-1")))

    assert key_set(public("key-1")) == key_source(str(path))()


# --- How they stay fresh ----------------------------------------------------------------------------------------------


def test_they_are_refreshed(issuer: Issuer, running: Callable[..., tuple[IssuerKeys, io.StringIO]]) -> None:
    keys, log = running(Source(issuer.url).fetch)
    held = keys.current
    assert held
    assert ["key-1"] == held.key_ids
    asked = issuer.asked
    wait_until(lambda: issuer.asked > asked + 1, "it is asked again")
    # The same keys are the same object, so that what was verified with them stays remembered.
    assert held is keys.current

    issuer.keys = [public("key-1"), public("key-2")]

    wait_until(lambda: keys.current and keys.current.key_ids == ["key-1", "key-2"], "the new key is here")
    assert ["issuer keys loaded"] * 2 == [line["message"] for line in messages(log)]


def test_a_flood_of_unknown_keys_makes_one_question(
    issuer: Issuer, running: Callable[..., tuple[IssuerKeys, io.StringIO]]
) -> None:
    keys, _ = running(Source(issuer.url).fetch, Schedule(interval=3600, cool_down=0.1))
    verifier = TokenVerifier(RULES, keys)
    asked = issuer.asked

    def flood() -> None:
        for number in range(500):
            with pytest.raises(Refusal) as raised:
                verifier.verify(sign(member(), "key-9", kid=f"unknown-{number}"), 0)
            assert INVALID_TOKEN == raised.value.kind

    # The cool-down that begins with the next question does not end.
    keys.task._cool_down = 3600
    flooding = [threading.Thread(target=flood) for _ in range(4)]
    for thread in flooding:
        thread.start()
    for thread in flooding:
        thread.join()
    wait_until(lambda: issuer.asked == asked + 1, "it is asked")

    assert asked + 1 == issuer.asked


def test_a_new_key_is_picked_up_when_it_is_first_used(
    issuer: Issuer, running: Callable[..., tuple[IssuerKeys, io.StringIO]]
) -> None:
    keys, _ = running(Source(issuer.url).fetch, Schedule(interval=3600, cool_down=0.1))
    verifier = TokenVerifier(RULES, keys)
    issuer.keys = [public("key-1"), public("key-2")]
    token = sign(member(), "key-2")

    def accepted() -> bool:
        try:
            return bool(verifier.verify(token, member()["iat"]))
        except Refusal:
            return False

    assert not accepted()
    wait_until(accepted, "the new key is known")


@pytest.mark.parametrize("name", ["not found", "huge", "HTML", "empty", "a redirect"])
def test_the_last_good_set_serves_on_while_there_is_none(
    issuer: Issuer, running: Callable[..., tuple[IssuerKeys, io.StringIO]], name: str
) -> None:
    keys, log = running(Source(issuer.url).fetch)
    held = keys.current
    issuer.answer = lambda: ANSWERS[name](issuer)
    asked = issuer.asked
    wait_until(lambda: issuer.asked > asked + 3, "it is asked in vain")

    assert held is keys.current
    issuer.answer = None
    wait_until(lambda: "available again" in log.getvalue(), "it is said")

    events = [(line["message"], line.get("serving")) for line in messages(log)]
    # Once, however often it was asked in vain.
    assert [
        ("issuer keys loaded", None),
        ("issuer keys unavailable", True),
        ("issuer keys available again", None),
    ] == events


def test_it_serves_for_a_bounded_time(issuer: Issuer, running: Callable[..., tuple[IssuerKeys, io.StringIO]]) -> None:
    keys, log = running(Source(issuer.url).fetch, Schedule(interval=0.2, cool_down=0.05, lifetime=1.0))
    assert keys.current
    issuer.answer = lambda: ANSWERS["not found"](issuer)

    wait_until(lambda: keys.current is None, "the keys are too old")
    wait_until(lambda: '"serving": false' in log.getvalue(), "the log says so")
    issuer.answer = None
    wait_until(lambda: keys.current is not None, "they are back")


def test_without_a_first_set_there_are_none_until_there_are(
    issuer: Issuer, running: Callable[..., tuple[IssuerKeys, io.StringIO]]
) -> None:
    issuer.answer = lambda: ANSWERS["HTML"](issuer)
    keys, log = running(Source(issuer.url).fetch)

    assert keys.current is None
    (line,) = messages(log)
    assert ("issuer keys unavailable", "error", False, "not a JSON Web Key Set") == tuple(
        line[name] for name in ("message", "level", "serving", "reason")
    )
    issuer.answer = None
    wait_until(lambda: keys.current is not None, "they are here")


def test_what_nobody_foresaw_does_not_end_it(running: Callable[..., tuple[IssuerKeys, io.StringIO]]) -> None:
    answers: list[bytes | Exception] = [ZeroDivisionError("a defect"), key_set(public("key-1"))]

    def source() -> bytes:
        answer = answers[0] if len(answers) == 1 else answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    keys, _ = running(source)

    wait_until(lambda: keys.current is not None, "it goes on")
