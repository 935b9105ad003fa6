"""Parsers of settings: each makes a value of a text and names the values that it accepts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from modelservice.hosts import is_loopback

T = TypeVar("T")
N = TypeVar("N", int, float)

# Signatures with a key pair (RFC 7518, RFC 8037). A set of public keys has no shared secrets.
JWT_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_ADDRESS: Final = "an IP address and a port, such as 127.0.0.1:1234 or [::1]:1234"


class Address(NamedTuple):
    """An IP address and a port (1 to 65535) to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def shifted(self, number: int) -> Address:
        """Returns the address with a port higher by `number`, which may be out of range."""
        return Address(self.host, self.port + number)

    def reachable(self) -> Address:
        """Returns the address at which this machine reaches a listener: loopback if it listens on all addresses."""
        host = ipaddress.ip_address(self.host)
        if not host.is_unspecified:
            return self
        return Address("127.0.0.1" if host.version == 4 else "::1", self.port)  # noqa: PLR2004  (IP version)


@dataclass(frozen=True, slots=True)
class Parser(Generic[T]):
    """A parser of texts.

    Attributes:
        parse: Returns the value. It raises ValueError or KeyError.
        accepts: Completes the sentence "must be …".
    """

    parse: Callable[[str], T]
    accepts: str

    def __call__(self, text: str) -> T:
        """Returns the value of a text."""
        return self.parse(text)


def _accepts(description: str) -> Callable[[Callable[[str], T]], Parser[T]]:
    return lambda parse: Parser(parse, description)


def _require(condition: object) -> None:
    if not condition:
        raise ValueError


def _matching(pattern: str, accepts: str) -> Parser[str]:
    def parse(text: str) -> str:
        _require(re.fullmatch(pattern, text))
        return text

    return Parser(parse, accepts)


def between(number: type[N], least: N, most: N) -> Parser[N]:
    """Returns a parser of numbers within bounds."""

    def parse(text: str) -> N:
        found = number(text)
        _require(least <= found <= most)
        return found

    return Parser(parse, f"{least} to {most}")


def zero_or_between(least: float, most: float) -> Parser[float]:
    """Returns a parser of 0 and of numbers within bounds."""
    bounded = between(float, least, most)
    return Parser(lambda text: 0.0 if text == "0" else bounded(text), f"0, or {bounded.accepts}")


def one_of(*choices: str) -> Parser[str]:
    """Returns a parser of one of several words."""

    def parse(text: str) -> str:
        _require(text in choices)
        return text

    return Parser(parse, " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1]))))


def some_of(*choices: str) -> Parser[tuple[str, ...]]:
    """Returns a parser of a list of at least one of several words."""

    def parse(text: str) -> tuple[str, ...]:
        found = words(text)
        _require(found and set(found) <= set(choices))
        return found

    return Parser(parse, f"a space-separated list of {' '.join(choices)}")


boolean: Final = Parser(lambda text: {"true": True, "false": False}[text.lower()], "true or false")
command: Final = Parser(str, "a path or a command")
one_word: Final = _matching(r"[!-~]*", "text without spaces")
stytch_project: Final = _matching(
    r"(project-(test|live)-[0-9A-Za-z-]{1,64})?",
    "the project id from Stytch's dashboard: project-test-… or project-live-…",
)


@_accepts(_ADDRESS)
def address(text: str) -> Address:
    """Parses an IP address with a port. An IPv4-mapped IPv6 address becomes the IPv4 address."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})", text)
    if match is None:
        raise ValueError
    host = ipaddress.ip_address(match[1] or match[2])
    port = int(match[3])
    _require(1 <= port <= 65535 and (host.version == 6) == bool(match[1]))  # noqa: PLR2004  (largest port, IP version)
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return Address(str(mapped or host), port)


@_accepts(f"off, or {_ADDRESS}")
def address_or_off(text: str) -> Address | None:
    """Parses an address, or `off`."""
    return None if text == "off" else address(text)


@_accepts("a loopback IP address and a port, such as 127.0.0.1:9901 or [::1]:9901; empty: a Unix socket")
def loopback_address(text: str) -> Address | None:
    """Parses a loopback address."""
    found = address(text) if text else None
    _require(found is None or is_loopback(found.host))
    return found


@_accepts(
    "sqlite:/// and a path (a fourth slash makes it absolute), or "
    "postgresql+psycopg://user:password@host:port/database (with special characters percent-encoded)"
)
def database_url(text: str) -> str:
    """Parses the URL of a database."""
    scheme, _, rest = text.partition("://")
    if scheme in ("postgresql+psycopg", "postgresql", "postgres"):
        url = urlsplit(f"postgresql+psycopg://{rest}")
        # Reading `port` raises ValueError if it is malformed. Parsers disagree about the password if the user part has
        # an unescaped `@`. The driver cuts the URL at a NUL.
        _require(
            re.fullmatch(r"/[^/@]+", url.path)
            and url.netloc.count("@") <= 1
            and not url.fragment
            and url.port != 0
            and not re.search(r"[\s\0]|%00", text)
        )
        return f"postgresql+psycopg://{rest}"
    # A path, without what SQLite would read as options.
    _require(re.fullmatch(r"sqlite:///[^?#]+", text) and not text.endswith(("/", ":memory:")))
    return text


def sqlite_file(url: str) -> Path | None:
    """Returns the file of a SQLite database's URL, or None for Postgres."""
    return Path(unquote(url.removeprefix("sqlite:///"))) if url.startswith("sqlite:") else None


@_accepts("a host name, such as login.example.com")
def host_name(text: str) -> str:
    """Parses a host name with a dot."""
    _require(re.fullmatch(r"([A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+)?", text))
    return text.lower()


@_accepts("a space-separated list")
def words(text: str) -> tuple[str, ...]:
    """Parses words of visible ASCII characters."""
    return tuple(one_word(word) for word in text.split(" ") if word)


@_accepts("a claim, or two names separated by a space for a nested claim")
def claim(text: str) -> tuple[str, ...]:
    """Parses the path to a claim."""
    path = words(text)
    _require(len(path) <= 2)  # noqa: PLR2004  (no issuer nests deeper)
    return path


@_accepts(
    "a comma-separated list of https://host or http://host in lower case, with :port unless it is the scheme's default"
)
def origins(text: str) -> tuple[str, ...]:
    """Parses origins (RFC 6454) as browsers write them."""
    found = tuple(one.strip(" ") for one in text.split(",")) if text else ()
    for one in found:
        _require(re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[1-9][0-9]*)?", one))
        url = urlsplit(one)
        _require(url.port != {"http": 80, "https": 443}[url.scheme])
    return found


@_accepts("an https URL without credentials (http only for localhost), or a file path")
def key_set_source(text: str) -> str:
    """Parses a URL or a path. The keys decide which tokens are valid, so they must not cross a network without TLS."""
    if "://" not in text:
        return text
    url = urlsplit(one_word(text))
    _require(url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or "")))
    _require(url.hostname and url.port != 0 and "@" not in url.netloc and not url.fragment)
    return text


@_accepts("the path of a PEM file")
def pem_path(text: str) -> Path | None:
    """Parses a path. It refuses the content of a PEM file."""
    _require("-----" not in text and text.isprintable())
    return Path(text) if text else None


@_accepts("a host name, an IP address, or a spiffe:// URI")
def server_name(text: str) -> str:
    """Parses a name in a certificate."""
    if re.fullmatch(r"spiffe://[!-~]+", text):
        return text
    if ":" in text or re.fullmatch(r"[0-9.]+", text):
        return str(ipaddress.ip_address(text))
    _require(re.fullmatch(r"([A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*)?", text))
    return text.lower()
