"""Kinds of settings: each reads a value from its text, or raises ValueError."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from modelservice.hosts import is_loopback

# Signatures with a key pair (RFC 7518, RFC 8037). None with a shared secret: a set of public keys has none.
JWT_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class Address(NamedTuple):
    """Where to listen.

    Attributes:
        host: An IP address.
        port: 1 to 65535.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def shifted(self, number: int) -> Address:
        """Returns the address whose port is so many higher. There may be no such port."""
        return Address(self.host, self.port + number)

    def reachable(self) -> Address:
        """Returns where a process of this machine reaches what listens here: loopback, when that is everywhere."""
        host = ipaddress.ip_address(self.host)
        if not host.is_unspecified:
            return self
        return Address("127.0.0.1" if host.version == 4 else "::1", self.port)  # noqa: PLR2004  (IP version)


def one_of(*choices: str) -> Callable[[str], str]:
    """Returns a reader of one of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return parse


def number_between(least: float, most: float) -> Callable[[str], float]:
    """Returns a reader of a number within bounds."""

    def parse(text: str) -> float:
        number = float(text)
        if not least <= number <= most:
            raise ValueError
        return number

    return parse


def zero_or_between(least: float, most: float) -> Callable[[str], float]:
    """Returns a reader of 0, or a number within bounds."""
    between = number_between(least, most)
    return lambda text: 0.0 if text == "0" else between(text)


def whole_between(least: int, most: int) -> Callable[[str], int]:
    """Returns a reader of a whole number within bounds."""

    def parse(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError
        return number

    return parse


def boolean(text: str) -> bool:
    """Reads true or false."""
    return {"true": True, "false": False}[text.lower()]


def address(text: str) -> Address:
    """Reads an IP address with a port. An IPv4 address that is written as an IPv6 one is the IPv4 address."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})", text)
    if match is None:
        raise ValueError
    host = ipaddress.ip_address(match[1] or match[2])
    port = int(match[3])
    if not 1 <= port <= 65535 or (host.version == 6) != bool(match[1]):  # noqa: PLR2004  (the largest port, IP version)
        raise ValueError
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return Address(str(mapped or host), port)


def address_or_off(text: str) -> Address | None:
    """Reads an IP address with a port, or `off`: None."""
    return None if text == "off" else address(text)


def loopback_address(text: str) -> Address | None:
    """Reads a loopback IP address with a port; empty for none."""
    if not text:
        return None
    found = address(text)
    if not is_loopback(found.host):
        raise ValueError
    return found


def database_url(text: str) -> str:
    """Reads the URL of a database."""
    scheme, _, rest = text.partition("://")
    if scheme in ("postgresql+psycopg", "postgresql", "postgres"):
        url = urlsplit(f"postgresql+psycopg://{rest}")
        # `port` raises ValueError for one that is none. An `@` that is not encoded: others would read another password
        # there. A NUL: the driver ends there.
        if (
            not re.fullmatch(r"/[^/@]+", url.path)
            or url.netloc.count("@") > 1
            or url.fragment
            or url.port == 0
            or re.search(r"[\s\0]|%00", text)
        ):
            raise ValueError
        return f"postgresql+psycopg://{rest}"
    # A path, and nothing that SQLite would take for an option.
    if not re.fullmatch(r"sqlite:///[^?#]+", text) or text.endswith(("/", ":memory:")):
        raise ValueError
    return text


def sqlite_file(url: str) -> Path | None:
    """Returns the file that a database's URL names; None for Postgres."""
    return Path(unquote(url.removeprefix("sqlite:///"))) if url.startswith("sqlite:") else None


def stytch_project_id(text: str) -> str:
    """Reads the id of a Stytch project; empty for none."""
    if not re.fullmatch(r"(project-(test|live)-[0-9A-Za-z-]{1,64})?", text):
        raise ValueError
    return text


def host(text: str) -> str:
    """Reads a host name; empty for none."""
    if not re.fullmatch(r"([A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+)?", text):
        raise ValueError
    return text.lower()


def one_word(text: str) -> str:
    """Reads a text of visible ASCII characters; empty for none."""
    if not re.fullmatch(r"[!-~]*", text):
        raise ValueError
    return text


def words(text: str) -> tuple[str, ...]:
    """Reads texts with spaces between them; empty for none."""
    return tuple(one_word(word) for word in text.split(" ") if word)


def some_of(*choices: str) -> Callable[[str], tuple[str, ...]]:
    """Returns a reader of one or more of some words."""

    def parse(text: str) -> tuple[str, ...]:
        found = words(text)
        if not found or not set(found) <= set(choices):
            raise ValueError
        return found

    return parse


def claim(text: str) -> tuple[str, ...]:
    """Reads the name of a claim, or two names: of a claim, and of one within it; empty for none."""
    path = words(text)
    if len(path) > 2:  # noqa: PLR2004  (deeper ones are not in use anywhere)
        raise ValueError
    return path


def origins(text: str) -> tuple[str, ...]:
    """Reads origins (RFC 6454) as browsers write them, with commas between them; empty for none."""
    found = tuple(one.strip(" ") for one in text.split(",")) if text else ()
    for one in found:
        if not re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[1-9][0-9]*)?", one):
            raise ValueError
        url = urlsplit(one)
        # `port` raises ValueError for one that is none.
        if url.port == {"http": 80, "https": 443}[url.scheme]:
            raise ValueError
    return found


def key_set_source(text: str) -> str:
    """Reads a URL or a path; empty for none.

    These keys decide who comes in: over a network they need TLS, but from this machine itself.
    """
    if "://" not in text:
        return text
    url = urlsplit(one_word(text))
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
        raise ValueError
    # `port` raises ValueError for one that is none.
    if not url.hostname or url.port == 0 or "@" in url.netloc or url.fragment:
        raise ValueError
    return text


def path(text: str) -> Path | None:
    """Reads a path; empty for none. What stands in such a file, put in the path's place, is none."""
    if "-----" in text or not text.isprintable():
        raise ValueError
    return Path(text) if text else None


def server_name(text: str) -> str:
    """Reads a name that a certificate may have: a host's, an IP address, or a SPIFFE id; empty for none."""
    if re.fullmatch(r"spiffe://[!-~]+", text):
        return text
    if ":" in text or re.fullmatch(r"[0-9.]+", text):
        return str(ipaddress.ip_address(text))
    if not re.fullmatch(r"([A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*)?", text):
        raise ValueError
    return text.lower()
