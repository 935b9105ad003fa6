"""What must hold of the files that settings name, before anything is started."""

from __future__ import annotations

from modelservice.auth.jwks import KeySetError, parse_key_set
from modelservice.auth.key_source import is_url, key_source
from modelservice.certificates.reading import read_authority, read_pair
from modelservice.config import Tls, Tokens
from modelservice.config.parsers import sqlite_file
from modelservice.errors import DatabaseMissingError, InvalidSettingError


def require_key_file(tokens: Tokens | None) -> None:
    """Makes sure that the issuer's keys can be used, when they are a file. An issuer may be down for a while.

    Raises:
        InvalidSettingError: They cannot.
    """
    if tokens and not is_url(tokens.key_set):
        try:
            parse_key_set(key_source(tokens.key_set)(), tokens.algorithms)
        except KeySetError as error:
            raise InvalidSettingError(f"MODELSERVICE_JWT_JWKS: {error}") from None


def require_database_file(url: str) -> None:
    """Makes sure that a SQLite database is there. One of Postgres may come up later.

    Raises:
        DatabaseMissingError: It is not.
    """
    file = sqlite_file(url)
    if file and not file.exists():
        raise DatabaseMissingError(url)


def require_certificates(tls: Tls) -> None:
    """Makes sure that the files of certificates can be used: Envoy would say it in its own words, and go on waiting.

    Raises:
        InvalidSettingError: They cannot.
    """
    for pair in (tls.edge, tls.server, tls.upstream and tls.upstream.pair):
        if pair:
            read_pair(pair)
    for authority in (tls.client_authority, tls.upstream and tls.upstream.authority):
        if authority:
            read_authority(authority)
