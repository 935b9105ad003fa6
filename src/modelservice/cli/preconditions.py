"""Checks of the files that settings name, before anything starts."""

from __future__ import annotations

from modelservice.auth.jwks import KeySetError, parse_key_set
from modelservice.auth.key_source import is_url, key_source
from modelservice.certificates import check_pair, parse_certificates
from modelservice.config import Tls, Tokens
from modelservice.config.parsers import sqlite_file
from modelservice.errors import DatabaseMissingError, InvalidSettingError


def require_key_file(tokens: Tokens | None) -> None:
    """Checks the issuer's keys if they are a file. A URL is not checked: the issuer may be down for a while.

    Raises:
        InvalidSettingError: The file cannot be used.
    """
    if tokens and not is_url(tokens.key_set):
        try:
            parse_key_set(key_source(tokens.key_set)(), tokens.algorithms)
        except KeySetError as error:
            raise InvalidSettingError(f"MODELSERVICE_JWT_JWKS: {error}") from None


def require_database_file(url: str) -> None:
    """Checks that a SQLite database exists. Postgres is not checked: it may come up later.

    Raises:
        DatabaseMissingError: The file does not exist.
    """
    file = sqlite_file(url)
    if file and not file.exists():
        raise DatabaseMissingError(url)


def require_certificates(tls: Tls) -> None:
    """Checks the files of certificates, because Envoy would only log an error of its own and keep waiting.

    Raises:
        InvalidSettingError: A file cannot be used.
    """
    for pair in (tls.edge, tls.server, tls.upstream and tls.upstream.pair):
        if pair:
            check_pair(pair, pair.certificate.read(), pair.key.read())
    for authority in (tls.client_authority, tls.upstream and tls.upstream.authority):
        if authority:
            parse_certificates(authority, authority.read())
