"""An identity provider of the tests' own: it signs real tokens, and publishes its keys on a loopback port."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from modelservice.auth.token import TokenRules

PROJECT = "project-test-11111111-1111-4111-8111-111111111111"
ISSUER = f"stytch.com/{PROJECT}"
ORGANIZATION_CLAIM = "https://stytch.com/organization"
SESSION_CLAIM = "https://stytch.com/session"
MEMBER = "member-test-22222222-2222-4222-8222-222222222222"
CLIENT = "m2m-client-test-33333333-3333-4333-8333-333333333333"
RULES = TokenRules(
    issuers=(ISSUER,),
    audience=PROJECT,
    algorithms=("RS256",),
    leeway=30.0,
    organization_claim=(ORGANIZATION_CLAIM, "organization_id"),
    required_role=None,
)

Claims = dict[str, Any]


@functools.cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Returns the key pair of a name, the same in the whole run: making one is slow."""
    del name
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    del name
    return ec.generate_private_key(ec.SECP256R1())


def public(name: str, **more: Any) -> dict[str, Any]:
    """Returns the public part of a key as it stands in a key set, its name for its id."""
    found: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(rsa_key(name).public_key()))
    return {**found, "kid": name, "use": "sig", "alg": "RS256", "key_ops": ["verify"]} | more


def public_ec(name: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(ec_key(name).public_key()))
    return {**found, "kid": name, "use": "sig"} | more


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def member(organization: Any = "acme", *, now: float | None = None, roles: Any = ("stytch_member",)) -> Claims:
    """Returns the claims of a Stytch B2B session."""
    begin = int(time.time() if now is None else now)
    return {
        "aud": [PROJECT],
        "exp": begin + 300,
        "iat": begin,
        "iss": ISSUER,
        "nbf": begin,
        "sub": MEMBER,
        ORGANIZATION_CLAIM: {"organization_id": organization, "slug": "a-slug"},
        SESSION_CLAIM: {
            "id": "member-session-test-44444444-4444-4444-8444-444444444444",
            "started_at": "2026-01-01T00:00:00Z",
            "last_accessed_at": "2026-01-01T00:00:00Z",
            "expires_at": "2036-01-01T00:00:00Z",
            "attributes": {"ip_address": "", "user_agent": ""},
            "authentication_factors": [],
            "roles": list(roles) if isinstance(roles, tuple) else roles,
        },
    }


def machine(client: str = CLIENT, scope: Any = "models:read", *, now: float | None = None) -> Claims:
    """Returns the claims of a Stytch M2M token."""
    begin = int(time.time() if now is None else now)
    return {
        "aud": [PROJECT],
        "exp": begin + 3600,
        "iat": begin,
        "iss": ISSUER,
        "nbf": begin,
        "scope": scope,
        "sub": client,
    }


def sign(claims: Claims, key: str = "key-1", **headers: Any) -> str:
    """Returns a token, signed with the key of a name."""
    # Not `jwt.encode`, which knows what claims should be.
    body = json.dumps(claims).encode()
    return jwt.api_jws.encode(body, rsa_key(key), algorithm="RS256", headers={"kid": key} | headers)


class Issuer:
    """What publishes a key set.

    Attributes:
        keys: What is in it.
        answer: What is sent instead, when it is set: status, headers, and a piece of the body after the other.
        asked: How often it was asked for.
    """

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [public("key-1")]
        self.answer: Callable[[], tuple[int, dict[str, str], list[bytes]]] | None = None
        self.asked = 0
        # Between two pieces of a body, in seconds; until `hurry` is set.
        self.slowness = 0.0
        self.hurry = threading.Event()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                status, headers, pieces = issuer.answer() if issuer.answer else (200, {}, [key_set(*issuer.keys)])
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for piece in pieces:
                        issuer.hurry.wait(issuer.slowness)
                        self.wfile.write(piece)
                        self.wfile.flush()
                except OSError:
                    # The other side has enough.
                    return

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a service that accepts its tokens: a Stytch project's, its key set from here."""
        return {"MODELSERVICE_STYTCH_PROJECT_ID": PROJECT, "MODELSERVICE_JWT_JWKS": self.url}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hurry.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
