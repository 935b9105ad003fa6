"""What of a database's URL may be printed, and what the database's own messages may repeat of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

_HIDDEN: Final = "***"
# libpq's parameters that hold a secret, or lead to one.
_SECRET: Final = frozenset(
    ["password", "passfile", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"]
)
# Its others. The value of a parameter that is not known here may be a secret: `pasword`, say.
_SHOWN: Final = frozenset(
    """
    application_name channel_binding client_encoding connect_timeout fallback_application_name gssdelegation
    gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname
    load_balance_hosts max_protocol_version min_protocol_version oauth_client_id oauth_issuer oauth_scope
    options port replication require_auth requirepeer service ssl_max_protocol_version ssl_min_protocol_version
    sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey sslkeylogfile sslmode sslnegotiation sslrootcert
    sslsni target_session_attrs tcp_user_timeout user
    """.split()  # noqa: SIM905  (44 lines as a list)
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of a URL: how it is printed, and the texts in it that nobody may see."""

    printed: str
    secrets: tuple[str, ...] = ()


def printable(url: str) -> str:
    """Returns a database's URL without any secret, however that is spelled.

    Args:
        url: The URL, as the setting accepts it (`config.kinds.database_url`).
    """
    return "".join(piece.printed for piece in _pieces(url))


def without_secrets(sentence: str, url: str) -> str:
    """Returns a sentence of the database's or its driver's without the secrets of the URL: some quote parameters.

    Args:
        sentence: What they said.
        url: The URL of the database.
    """
    raw = [secret for piece in _pieces(url) for secret in piece.secrets if secret]
    # The longest first: one may be part of another.
    for secret in sorted({*raw, *map(unquote_plus, raw)}, key=len, reverse=True):
        # As a word: a password of one letter would leave nothing of the sentence.
        sentence = re.sub(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", _HIDDEN, sentence)
    return sentence


def _pieces(url: str) -> Iterator[_Piece]:
    scheme, mark, rest = url.partition("://")
    if scheme.startswith("sqlite"):
        yield _Piece(url)
        return
    address, question, query = rest.partition("?")
    who, at, where = address.rpartition("@")
    user, colon, password = who.partition(":")
    yield _Piece(f"{scheme}{mark}{user}")
    if colon:
        yield _Piece(f":{_HIDDEN}", (password,))
    yield _Piece(f"{at}{where}{question}")
    if question:
        yield from _parameters(query)


def _parameters(query: str) -> Iterator[_Piece]:
    after_secret = False
    for number, text in enumerate(query.split("&")):
        raw_name, equals, value = text.partition("=")
        name, joint = unquote_plus(raw_name), "&" if number else ""
        if name.lower() in _SECRET:
            after_secret = True
            yield _Piece(f"{joint}{name}={_HIDDEN}", (value,))
        elif name in _SHOWN:
            yield _Piece(f"{joint}{text}")
        elif equals and not after_secret:
            yield _Piece(f"{joint}{name}={_HIDDEN}", (value,))
        else:
            # A password with an `&` in it goes on here.
            yield _Piece(f"{joint}{_HIDDEN}", (raw_name, value))
