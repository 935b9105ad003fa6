"""Generated REST requests: paths, queries, headers, methods, bodies. Seeded, so that a run can be repeated."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from modelservice import errors
from modelservice.errors import RefusalKind
from tests.hostile.meaning import DOCUMENT, ONCE, PROBES, REPEATABLE, World

PATHS = ("/v1/models", "/v1/models/", *PROBES, DOCUMENT, "/", "/v1", "/V1/models", "/metrics", "/v2/models")
SERVICES = (
    "/modelservice.v1.ModelService/ListModels",
    "/modelservice.rest.v1.RestService/GetModel",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
)
PIECES = re.findall(
    r"\S+",
    r"""
    / // . .. %2e %2E%2e %2f %2F..%2F \ %5c ; ..; %00 %0a %20 + %c0%ae %c0%af %FF %e2%80%ae %zz % %%36 %25 %252e %3F %23
    ' < ~ A gpt-4o claude-3-opus : @ & = * {model_id} v1 models ? ?model_id=gpt-4o
""",
)
NOBODY = (
    "nobody/nothing",
    "GPT-4O",
    "gpt-4",
    "550e8400-e29b-41d4-a716-446655440000",
    "a:b@c/d.e",
    "x" * 256,
    "x" * 257,
)
NAMES = (*REPEATABLE, *ONCE, *ONCE, "limit", "user", "client_version")
OTHER_NAMES = ["model_id", "modelId", "Q", "pageSize", "capability[]", "q.q", "data", "ü", "%", ";q", "", "\0", "a b"]
WORDS = re.findall(
    r"\S+",
    """
    reasoning multimodal soc2 openai acme gpt claude true false True 1 0 3 007 -1 4294967295 4294967296 2147483647
    2147483648 0.01 .5 1e-3 1e400 NaN -0.5 0x1p3 +5 id name ü a&b a=b ${jndi:ldap://x} ../../etc/passwd
""",
)
TEXTS = ["", "id desc", " created  desc ", "TURBO o", "\0", "\u202e", "'; DROP TABLE models; --"]
VALUES = [*WORDS, *TEXTS, "x" * 256, "x" * 257, "\U0001f600" * 90]
# As they are.
ODD = ("%FF", "%c0%ae", "%zz", "%", "a=b", "?/")
REFUSED_BYTES = (b"\x00", b"\x01", b"\x7f", b"\xff", b"\xc3\xbc", b"#", b"# HTTP/1.1")

# Header lines that change nothing.
IDLE = (
    rb"""
    accept: text/html
    accept-encoding: gzip;q=0
    accept-encoding: br, *;q=0.1
    cache-control: no-cache
    content-encoding: gzip
    content-type: text/xml
    cookie: a=b; c
    expect: the unexpected
    forwarded: for=1
    grpc-accept-encoding: x
    grpc-encoding: gzip
    grpc-internal-encoding-request: x
    grpc-message: %zz
    grpc-previous-rpc-attempts: x
    grpc-retry-pushback-ms: x
    grpc-status: x
    grpc-timeout: -1S
    grpc-timeout: 99999999H
    grpc-timeout: soon
    grpc-trace-bin: ??
    if-match: *
    if-modified-since: never
    origin: null
    range: bytes=0-1
    te: trailers
    te: x
    traceparent: 00-x
    trailer: x
    upgrade: h2c
    upgrade: websocket
    x-envoy-original-path: /v1/models?model_id=x
    x-envoy-upstream-rq-timeout-ms: 1
    x-forwarded-for: 1.2.3.4, x
    x-forwarded-proto: https
    x-http-method-override: DELETE
    x-modelservice-organization: other
    x-original-url: /v1/models/claude-3-opus
    x-some-bin: !!
    x!#$%&'*+^`|~: 1
    x-some:
""".strip()
    .replace(b"\n    ", b"\n")
    .split(b"\n")
)
IDLE += [b"x-request-id: \xff", b"user-agent: \xe2\x82\xac", b"x-tab: a\tb", b"x-long: " + b"a" * 9_000]
GZIP = b"accept-encoding: gzip, deflate"
NATIVE = b"content-type: application/grpc"
SOON = b"grpc-timeout: 1n"
# Those that are refused, and how.
REFUSED = {
    **dict.fromkeys((b"x_y: 1", b"x y: 1", b"x: \x00", b"x: \x7f", b":path: /", b"(x): 1"), errors.INVALID_REQUEST),
    b"transfer-encoding: x": errors.INVALID_REQUEST,
    **dict.fromkeys((b"x-long: " + b"a" * 33_000, b"x-long: " + b"a" * 97_000), errors.REQUEST_TOO_LARGE),
    b"\r\n".join(b"x-%d: a" % number for number in range(110)): errors.REQUEST_TOO_LARGE,
}
METHODS = ("HEAD", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "get", "FETCH", "X" * 3_000)
NO_METHODS = ("G\u00e9T", "GET/", "(GET)")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One generated request.

    Attributes:
        method: Its method.
        target: Its address.
        caller: Whose credential it has: `reader`, `without_scope`, or nobody's.
        if_none_match: What it says of that.
        headers: Its other header lines.
        body: Its body.
        is_chunked: Whether the body has no length.
        refusals: What about it is refused whatever else there is.
    """

    method: str
    target: bytes
    caller: str
    if_none_match: str
    headers: tuple[bytes, ...]
    body: bytes
    is_chunked: bool
    refusals: frozenset[RefusalKind] = field(default_factory=frozenset)

    def data(self, credential: str) -> bytes:
        """Returns the request's bytes."""
        lines = [b" ".join([self.method.encode(), self.target, b"HTTP/1.1"]), b"host: x", *self.headers]
        if credential:
            lines.append(b"authorization: " + credential.encode())
        if self.if_none_match:
            lines.append(b"if-none-match: " + self.if_none_match.encode())
        body = self.body
        if self.is_chunked:
            lines.append(b"transfer-encoding: chunked")
            half = len(body) // 2
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
            body += b"0\r\n\r\n"
        elif body or self.method != "GET":
            lines.append(b"content-length: %d" % len(body))
        return b"\r\n".join([*lines, b"", body])


def attempts(seed: int, world: World) -> Iterator[Attempt]:
    """Yields requests without end.

    Args:
        seed: Which.
        world: What there is to ask for.
    """
    dice = random.Random(seed)
    while True:
        refusals: set[RefusalKind] = set()
        target = _target(dice, world, refusals)
        headers = _headers(dice, refusals)
        method = "GET" if dice.random() < 0.88 else dice.choice(METHODS)
        if dice.random() < 0.01:
            method = dice.choice(NO_METHODS)
            refusals.add(errors.INVALID_REQUEST)
        body = b"" if dice.random() < 0.95 else dice.randbytes(dice.choice([0, 1, 30, 9_000, 65_536, 65_537, 70_000]))
        if body:
            refusals.add(errors.REQUEST_TOO_LARGE if len(body) > 65_536 else errors.INVALID_REQUEST)
        if len(body) > 16_000:
            # With all the rest it may be beyond the limit for headers, if it is there by then.
            refusals.add(errors.REQUEST_TOO_LARGE)
        caller = dice.choices(["reader", "without_scope", ""], [80, 5, 15])[0]
        known = ["*", 'W/"x", *', *world.etags.values()]
        tag = dice.choice(known) if dice.random() < 0.08 else ""
        # A method other than GET and HEAD is refused, with or without a body.
        yield Attempt(method, target, caller, tag, headers, body, dice.random() < 0.03, frozenset(refusals))


def _target(dice: random.Random, world: World, refusals: set[RefusalKind]) -> bytes:
    draw = dice.random()
    if draw < 0.30:
        names = list(world.bodies) if dice.random() < 0.8 else NOBODY
        target = f"/v1/models/{_spelt(dice, dice.choice(names))}"
    elif draw < 0.55:
        target = f"/v1/models/{''.join(dice.choices(PIECES, k=dice.randrange(1, 7)))}"
    elif draw < 0.60:
        target = "/" + "".join(dice.choices(PIECES, k=dice.randrange(1, 9)))
    elif draw < 0.90:
        target = "/v1/models"
    else:
        target = dice.choice([*PATHS, *SERVICES])
    if "?" not in target and (draw >= 0.60 or dice.random() < 0.15):
        target += _query(dice, world)
    data = target.encode()
    if dice.random() < 0.02:
        place = dice.randrange(1, len(data) + 1)
        data = data[:place] + dice.choice(REFUSED_BYTES) + data[place:]
        refusals.add(errors.INVALID_REQUEST)
    elif dice.random() < 0.01:
        data = dice.choice([b"", b"http:/", b"https://x", b"ftp://x", b"\\"]) + data[1:]
        refusals.add(errors.INVALID_REQUEST)
    elif dice.random() < 0.02:
        data = b"http://x" + data
    return data


def _query(dice: random.Random, world: World) -> str:
    pairs = []
    for _ in range(dice.choice([0, 1, 1, 2, 3, 25])):
        name = dice.choice(NAMES) if dice.random() < 0.9 else dice.choice(OTHER_NAMES)
        value = dice.choice(VALUES) if dice.random() < 0.95 else world.token
        encoded = _spelt(dice, value) if dice.random() < 0.95 else dice.choice(ODD)
        pairs.append(f"{_spelt(dice, name)}{'=' if dice.random() < 0.98 else ''}{encoded}")
    return "?" + dice.choices(["&", "&&", ";"], [90, 8, 2])[0].join(pairs)


def _spelt(dice: random.Random, text: str) -> str:
    """Returns one of the spellings of a text."""
    match dice.randrange(6):
        case 0:
            return "".join(f"%{byte:02x}" for byte in text.encode())
        case 1:
            shown = "".join(dice.choices(string.ascii_letters, k=20))
            return "".join(
                quote(one) if one in shown or not one.isascii() or not one.isalnum() else f"%{ord(one):02X}"
                for one in text
            )
        case 2:
            return quote(text, safe="").replace("%20", "+") if "/" not in text else quote(text, safe="")
        case _:
            return quote(text, safe="/:@")


def _headers(dice: random.Random, refusals: set[RefusalKind]) -> tuple[bytes, ...]:
    lines = dice.sample(IDLE, dice.choice([0, 0, 0, 1, 3]))
    if dice.random() < 0.2:
        lines.append(GZIP)
    if dice.random() < 0.02:
        lines.append(dice.choice([NATIVE, SOON]))
    if dice.random() < 0.03:
        line, kind = dice.choice(list(REFUSED.items()))
        lines.append(line)
        refusals.add(kind)
    dice.shuffle(lines)
    return tuple(lines)
