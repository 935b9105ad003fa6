"""Which tokens are good: a table, at a moment that stands still."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import json
import string
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from modelservice import errors
from modelservice.auth.jwks import KeySet, parse_key_set
from modelservice.auth.token import Bearer, TokenVerifier, looks_like_token
from modelservice.domain.principal import MODELS_READ
from modelservice.errors import INVALID_TOKEN, UNAVAILABLE, Refusal
from tests.support.issuer import (
    CLIENT,
    ISSUER,
    MEMBER,
    ORGANIZATION_CLAIM,
    PROJECT,
    RULES,
    SESSION_CLAIM,
    Claims,
    ec_key,
    key_set,
    machine,
    member,
    public,
    public_ec,
    rsa_key,
    sign,
)

NOW = 1_800_000_000
# The order of the curve (SEC 2, 2.4.2).
P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
READ = frozenset({MODELS_READ})


@dataclass
class Held:
    """Keys that do not change by themselves."""

    current: KeySet | None
    wanted: list[None] = field(default_factory=list)

    def want(self) -> None:
        self.wanted.append(None)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the library's clock stand still."""

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return dt.datetime.fromtimestamp(NOW, tz)

    monkeypatch.setattr("jwt.api_jwt.datetime", Clock)


def held(*keys: dict[str, Any], algorithms: tuple[str, ...] = ("RS256",)) -> Held:
    return Held(parse_key_set(key_set(*keys), algorithms))


def verify(token: str, *, keys: Held | None = None, now: float = NOW, **rules: Any) -> Bearer:
    verifier = TokenVerifier(replace(RULES, **rules), keys or held(public("key-1")))
    return verifier.verify(token, now)


def claims(**changed: Any) -> Claims:
    """Returns a member's claims, some of them changed, or left out when they are None."""
    return {name: value for name, value in (member(now=NOW) | changed).items() if value is not None}


def text(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed_with_the_public_key(form: Callable[[], bytes]) -> str:
    """Returns a token whose signature is a shared secret's, the public key for the secret."""
    body = f"{text({'alg': 'HS256', 'kid': 'key-1', 'typ': 'JWT'})}.{text(claims())}"
    signature = hmac.new(form(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def pem() -> bytes:
    return rsa_key("key-1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def changed_payload() -> str:
    header, _, signature = sign(claims()).split(".")
    return f"{header}.{text(claims(sub='somebody-else'))}.{signature}"


GOOD: dict[str, Claims] = {
    "a session": claims(),
    "an audience that is a text": claims(aud=PROJECT),
    "one audience of several": claims(aud=["other", PROJECT]),
    "no nbf": claims(nbf=None),
    "expired by 29 s": claims(exp=NOW - 29),
    "issued in 30 s": claims(iat=NOW + 30),
    "nbf in 30 s": claims(nbf=NOW + 30),
}

# Why it is refused, for the log; what is signed, or the token itself.
BAD: dict[str, tuple[str, Claims | Callable[[], str]]] = {
    "expired by 31 s": ("expired", claims(exp=NOW - 31)),
    "expired by 30 s": ("expired", claims(exp=NOW - 30)),
    "nbf in 31 s": ("not valid yet", claims(nbf=NOW + 31)),
    "issued in 31 s": ("not valid yet", claims(iat=NOW + 31)),
    "no exp": ("a required claim is missing", claims(exp=None)),
    "no iat": ("a required claim is missing", claims(iat=None)),
    "no iss": ("a required claim is missing", claims(iss=None)),
    "no aud": ("a required claim is missing", claims(aud=None)),
    "an empty aud": ("a required claim is missing", claims(aud=[])),
    "no sub": ("a required claim is missing", claims(sub=None)),
    "an empty sub": ("an invalid subject", claims(sub="")),
    "a sub with a line break": ("an invalid subject", claims(sub="a\nb")),
    "a sub of 256 characters": ("an invalid subject", claims(sub="a" * 256)),
    "a sub that is a number": ("malformed", claims(sub=5)),
    "another issuer": ("another issuer", claims(iss="stytch.com/project-test-other")),
    "an issuer that begins alike": ("another issuer", claims(iss=ISSUER[:-1])),
    "an issuer with a slash": ("another issuer", claims(iss=ISSUER + "/")),
    "a list of issuers": ("another issuer", claims(iss=[ISSUER])),
    "another audience": ("another audience", claims(aud="other")),
    "an audience that begins alike": ("another audience", claims(aud=PROJECT[:-1])),
    "a number for an audience": ("another audience", claims(aud=5)),
    "numbers among the audiences": ("another audience", claims(aud=[5, PROJECT])),
    "a text for exp": ("malformed", claims(exp="tomorrow")),
    "an endless exp": ("malformed", claims(exp=float("inf"))),
    "no number for exp": ("malformed", claims(exp=float("nan"))),
    "a list for nbf": ("malformed", claims(nbf=[])),
    "an organization that is a number": ("an organization that is not a string", member(5, now=NOW)),
    "an organization that is null": ("an organization that is not a string", member(None, now=NOW)),
    "an organization that is a list": ("an organization that is not a string", member(["acme"], now=NOW)),
    "an organization claim that is a text": (
        "an organization that is not a string",
        claims(**{ORGANIZATION_CLAIM: "acme"}),
    ),
    "an organization claim that is empty": ("an organization that is not a string", claims(**{ORGANIZATION_CLAIM: {}})),
    "a scope that is a list": ("a scope that is not a string", machine(now=NOW, scope=["models:read"])),
    "alg none": (
        "another algorithm",
        lambda: f"{text({'alg': 'none', 'kid': 'key-1'})}.{text(claims())}.",
    ),
    "alg none and a signature": (
        "another algorithm",
        lambda: f"{text({'alg': 'none', 'kid': 'key-1'})}.{sign(claims()).split('.', 1)[1]}",
    ),
    "HS256 with the public key as PEM": ("another algorithm", lambda: signed_with_the_public_key(pem)),
    "HS256 with the public key as JSON": (
        "another algorithm",
        lambda: signed_with_the_public_key(lambda: json.dumps(public("key-1")).encode()),
    ),
    "RS512": (
        "another algorithm",
        lambda: jwt.encode(claims(), rsa_key("key-1"), algorithm="RS512", headers={"kid": "key-1"}),
    ),
    "no algorithm": ("another algorithm", lambda: f"{text({'kid': 'key-1'})}.{text(claims())}.AAAA"),
    "a list of algorithms": ("another algorithm", lambda: f"{text({'alg': ['RS256']})}.{text(claims())}.AAAA"),
    "an unknown kid": ("unknown key", lambda: sign(claims(), "key-2")),
    "a kid that is a number": ("malformed", lambda: f"{text({'alg': 'RS256', 'kid': 5})}.{text(claims())}.AAAA"),
    "another key under the kid": ("wrong signature", lambda: sign(claims(), "key-2", kid="key-1")),
    "changed claims": ("wrong signature", changed_payload),
    "no signature": ("wrong signature", lambda: sign(claims()).rsplit(".", 1)[0] + "."),
    "claims that are a list": (
        "malformed",
        lambda: jwt.api_jws.encode(b"[]", rsa_key("key-1"), algorithm="RS256", headers={"kid": "key-1"}),
    ),
    "claims that are no JSON": (
        "malformed",
        lambda: jwt.api_jws.encode(b"\xff", rsa_key("key-1"), algorithm="RS256", headers={"kid": "key-1"}),
    ),
    "claims of great depth": (
        "malformed",
        lambda: jwt.api_jws.encode(b"[" * 5_000, rsa_key("key-1"), algorithm="RS256", headers={"kid": "key-1"}),
    ),
    "a header of great depth": (
        "malformed",
        lambda: f"{base64.urlsafe_b64encode(b'[' * 6_000).decode()}.{text(claims())}.AAAA",
    ),
    "a critical header that is unknown": ("malformed", lambda: sign(claims(), crit=["exp"], exp=NOW)),
    "64 KB": ("too long", lambda: sign(claims(more="a" * 48_000))),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_token_is_its_bearer(name: str) -> None:
    assert Bearer(MEMBER, "acme", machine=False, scopes=READ, expires=GOOD[name]["exp"]) == verify(sign(GOOD[name]))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_with_one_answer(name: str) -> None:
    reason, made = BAD[name]
    token = sign(made) if isinstance(made, dict) else made()
    assert looks_like_token(token)

    with pytest.raises(Refusal) as raised:
        verify(token)

    assert (INVALID_TOKEN, "Invalid or expired token", reason) == (
        raised.value.kind,
        raised.value.message,
        raised.value.reason,
    )


@pytest.mark.parametrize(
    "credential", ["", "a", "a.b", "a.b.c.d.e", "a b.c.d", "ä.b.c", "a.b.c=", "a.b.c\n", "..", ".b.c", "a..c"]
)
def test_what_does_not_look_like_a_token_is_none(credential: str) -> None:
    assert not looks_like_token(credential)


@given(st.text("abcXYZ019-_", max_size=40), st.text("abcXYZ019-_", max_size=40), st.binary(max_size=40))
def test_rubbish_is_refused_and_nothing_else(header: str, payload: str, raw: bytes) -> None:
    encoded = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    head = text({"alg": "RS256", "kid": "key-1"})
    for token in (f"{header}.{payload}.{encoded}", f"{head}.{payload}.{encoded}", f"{encoded}.{payload}.{header}"):
        with pytest.raises(Refusal) as raised:
            verify(token)
        assert INVALID_TOKEN == raised.value.kind


@given(st.dictionaries(st.text(max_size=10), st.recursive(st.none() | st.integers() | st.text(), st.lists), max_size=5))
def test_any_claims_that_the_issuer_signs_are_a_bearer_or_a_refusal(more: dict[str, Any]) -> None:
    outcome: Bearer | errors.RefusalKind
    try:
        outcome = verify(sign(claims() | more))
    except Refusal as refusal:
        outcome = refusal.kind
    assert isinstance(outcome, Bearer) or outcome == INVALID_TOKEN


def test_a_machine_has_the_scope_that_its_token_says_and_no_organization() -> None:
    expires = NOW + 3600

    assert Bearer(CLIENT, None, machine=True, scopes=READ, expires=expires) == verify(sign(machine(now=NOW)))
    several = sign(machine(now=NOW, scope="a models:read b"))
    assert READ == verify(several).scopes
    for scope in ("", "models:reader", "xmodels:read", "models:read_any", "models:read,a", "MODELS:READ"):
        assert frozenset() == verify(sign(machine(now=NOW, scope=scope))).scopes
    without = {name: value for name, value in machine(now=NOW).items() if name != "scope"}
    assert frozenset() == verify(sign(without)).scopes


@pytest.mark.parametrize("organization", ["", "a b", "a" * 129, "ä", "../x", "a\nb"])
def test_an_organization_that_can_be_none_here_is_none(organization: str) -> None:
    assert Bearer(MEMBER, None, machine=False, scopes=READ, expires=NOW + 300) == verify(
        sign(member(organization, now=NOW))
    )


@pytest.mark.parametrize(
    ("given_roles", "permitted"),
    [(("a", "reader"), True), (("a",), False), ((), False), ("reader", False), (None, False), ({"reader": 1}, False)],
)
def test_a_required_role_is_required_of_members(given_roles: Any, *, permitted: bool) -> None:
    session = sign(member(now=NOW, roles=given_roles))
    assert (READ if permitted else frozenset()) == verify(session, required_role="reader").scopes
    assert READ == verify(session).scopes
    # Not of machines, whose scopes say what they may.
    assert READ == verify(sign(machine(now=NOW)), required_role="reader").scopes


def test_other_issuers_have_their_own_claims() -> None:
    token = sign(
        {"iss": "https://id.example.com", "aud": "models", "sub": "u1", "org": "acme", "roles": ["reader"]}
        | {"iat": NOW, "exp": NOW + 5}
    )
    rules: dict[str, Any] = {
        "issuers": ("https://id.example.com", "x"),
        "audience": "models",
        "required_role": "reader",
    }

    assert ("acme", READ) == (
        verify(token, organization_claim=("org",), **rules).organization_id,
        verify(token, organization_claim=("org",), **rules).scopes,
    )
    # Without the setting all are machines.
    assert (True, frozenset()) == (
        verify(token, organization_claim=(), **rules).machine,
        verify(token, organization_claim=(), **rules).scopes,
    )
    assert SESSION_CLAIM not in json.dumps(jwt.decode(token, options={"verify_signature": False}))


def test_elliptic_curves_are_as_good_when_they_are_allowed() -> None:
    token = jwt.encode(claims(), ec_key("e1"), algorithm="ES256", headers={"kid": "e1"})
    keys = held(public_ec("e1"), public("key-1"), algorithms=("ES256", "RS256"))

    assert MEMBER == verify(token, keys=keys, algorithms=("ES256", "RS256")).subject
    assert MEMBER == verify(sign(claims()), keys=keys, algorithms=("ES256", "RS256")).subject
    # The id of one key with the algorithm of another.
    confused = jwt.encode(claims(), ec_key("e1"), algorithm="ES256", headers={"kid": "key-1"})
    with pytest.raises(Refusal):
        verify(confused, keys=keys, algorithms=("ES256", "RS256"))


def test_a_kid_that_two_keys_have_is_either() -> None:
    keys = held(public("key-2", kid="same"), public("key-1", kid="same"))

    assert MEMBER == verify(sign(claims(), "key-1", kid="same"), keys=keys).subject
    assert MEMBER == verify(sign(claims(), "key-2", kid="same"), keys=keys).subject
    with pytest.raises(Refusal):
        verify(sign(claims(), "key-3", kid="same"), keys=keys)


def test_a_token_without_kid_is_the_only_keys() -> None:
    token = jwt.encode(claims(), rsa_key("key-1"), algorithm="RS256")

    assert MEMBER == verify(token, keys=held(public("key-1"))).subject
    with pytest.raises(Refusal):
        verify(token, keys=held(public("key-1"), public("key-2")))


def test_an_unknown_kid_asks_for_the_keys_and_nothing_else_does() -> None:
    keys = held(public("key-1"))
    for token in (sign(claims(exp=NOW - 50)), sign(claims(), "key-2", kid="key-1"), sign(claims())):
        with contextlib.suppress(Refusal):
            verify(token, keys=keys)
    assert [] == keys.wanted

    with pytest.raises(Refusal):
        verify(sign(claims(), "key-2"), keys=keys)
    assert 1 == len(keys.wanted)


def test_without_keys_nobody_can_tell() -> None:
    with pytest.raises(Refusal) as raised:
        verify(sign(claims()), keys=Held(None))
    assert UNAVAILABLE == raised.value.kind


class Counted:
    """Counts the verifications, each of which is one look for a key."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        decode = jwt.decode

        def counting(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            return decode(*arguments, **options)

        monkeypatch.setattr("jwt.decode", counting)


def test_a_token_is_verified_once_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    verifier = TokenVerifier(RULES, held(public("key-1")))
    token = sign(claims(exp=NOW + 5))

    assert 1 == len({verifier.verify(token, NOW + second) for second in (0, 4, 34.9)})
    assert 1 == counted.count
    verifier.verify(token, NOW + 35)
    assert 2 == counted.count
    verifier.verify(sign(claims(exp=NOW + 6)), NOW)
    assert 3 == counted.count


ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "claims", "signature"])
def test_a_token_is_spelled_in_one_way(part: int) -> None:
    verifier = TokenVerifier(RULES, held(public("key-1")))
    # A claim of a length that leaves bits in the last character of the claims, too.
    token = next(
        token
        for token in (sign(claims(jti="x" * number), typ="x" * number) for number in range(3))
        if len(token.split(".")[part]) % 4
    )
    parts = token.split(".")

    good = []
    for letter in ALPHABET:
        spelled = ".".join([*parts[:part], parts[part][:-1] + letter, *parts[part + 1 :]])
        with contextlib.suppress(Refusal):
            verifier.verify(spelled, NOW)
            good.append(spelled)

    assert [token] == good
    assert 1 == len(verifier._remembered)


def test_a_token_has_one_entry_whichever_signature_it_has() -> None:
    verifier = TokenVerifier(replace(RULES, algorithms=("ES256",)), held(public_ec("curve"), algorithms=("ES256",)))
    token = jwt.encode(claims(), ec_key("curve"), "ES256", {"kid": "curve"})
    content, _, signature = token.rpartition(".")
    data = base64.urlsafe_b64decode(signature + "==")
    other = (P256 - int.from_bytes(data[32:])).to_bytes(32)
    twin = f"{content}.{base64.urlsafe_b64encode(data[:32] + other).rstrip(b'=').decode()}"

    for one in (token, twin, token):
        verifier.verify(one, NOW)

    assert twin != token
    assert 1 == len(verifier._remembered)


def test_what_is_remembered_opens_nothing_to_another_signature() -> None:
    verifier = TokenVerifier(RULES, held(public("key-1")))
    token = sign(claims())
    verifier.verify(token, NOW)
    content = token.rpartition(".")[0]

    for signature in ("", sign(claims(jti="other")).rpartition(".")[2]):
        with pytest.raises(Refusal):
            verifier.verify(f"{content}.{signature}", NOW)


def test_a_bad_token_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    verifier = TokenVerifier(RULES, held(public("key-1")))
    for _ in range(3):
        with pytest.raises(Refusal):
            verifier.verify(sign(claims(exp=NOW - 31)), NOW)
    assert 3 == counted.count


def test_a_token_ends_when_its_key_leaves_the_set() -> None:
    keys = held(public("key-1"), public("key-2"))
    verifier = TokenVerifier(RULES, keys)
    token = sign(claims())
    verifier.verify(token, NOW)

    keys.current = held(public("key-2")).current

    with pytest.raises(Refusal) as raised:
        verifier.verify(token, NOW)
    assert "unknown key" == raised.value.reason
    keys.current = None
    with pytest.raises(Refusal) as raised:
        verifier.verify(token, NOW)
    assert UNAVAILABLE == raised.value.kind


def test_what_is_remembered_is_bounded_and_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelservice.auth.token._REMEMBERED", 10)
    verifier = TokenVerifier(RULES, held(public("key-1")))
    tokens = [sign(claims(jti=str(number))) for number in range(30)]
    for token in tokens:
        verifier.verify(token, NOW)

    assert 10 == len(verifier._remembered)
    assert not [token for token in tokens if token in repr(dict(verifier._remembered))]
