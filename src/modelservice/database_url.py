"""Removes secrets from a database's URL and from messages that quote it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

_HIDDEN: Final = "***"
# libpq parameters with a secret, or with the file of one.
_SECRET: Final = frozenset(
    ["password", "passfile", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"]
)
# All other libpq parameters. The value of an unknown one, such as `pasword`, may be a secret.
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


class _Piece(NamedTuple):
    """A piece of a URL: its printable form, and the secrets in it."""

    printed: str
    secrets: tuple[str, ...] = ()


def printable(url: str) -> str:
    """Returns a database's URL, as the setting accepts it, without secrets."""
    return "".join(piece.printed for piece in _pieces(url))


def without_secrets(sentence: str, url: str) -> str:
    """Returns a message of the database or its driver without the secrets of the URL. Some messages quote them."""
    raw = [secret for piece in _pieces(url) for secret in piece.secrets if secret]
    # Longest first, since one secret may be part of another.
    for secret in sorted({*raw, *map(unquote_plus, raw)}, key=len, reverse=True):
        # Whole words only: a one-letter password would blank the sentence.
        sentence = re.sub(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", _HIDDEN, sentence)
    return sentence


def _pieces(url: str) -> Iterator[_Piece]:
    scheme, mark, rest = url.partition("://")
    if scheme.startswith("sqlite"):
        yield _Piece(url)
        return
    address, question, query = rest.partition("?")
    credentials, at, location = address.rpartition("@")
    user, colon, password = credentials.partition(":")
    yield _Piece(f"{scheme}{mark}{user}")
    if colon:
        yield _Piece(f":{_HIDDEN}", (password,))
    yield _Piece(f"{at}{location}{question}")
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
            # The rest of a password with an unescaped `&`.
            yield _Piece(f"{joint}{_HIDDEN}", (raw_name, value))
