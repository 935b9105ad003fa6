"""The files that settings name, for whoever looks at their permissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelservice.config.loading import FILE
from modelservice.config.settings import SETTINGS, Settings


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """Files that settings name.

    Attributes:
        secrets: Private keys, and files that hold a setting.
        trusted: Certificates, authorities, and the issuer's keys: public, but to be written by their owner alone.
    """

    secrets: tuple[Path, ...]
    trusted: tuple[Path, ...]


def named_files(environment: Mapping[str, str], settings: Settings) -> NamedFiles:
    """Returns the files that settings name.

    Args:
        environment: The environment variables.
        settings: The settings that were read from them.
    """
    tls, tokens = settings.tls, settings.tokens
    pairs = [pair for pair in (tls.edge, tls.server, tls.upstream and tls.upstream.pair) if pair]
    authorities = [one for one in (tls.client_authority, tls.upstream and tls.upstream.authority) if one]
    given = [environment.get(setting.name + FILE) for setting in SETTINGS]
    key_set = [Path(tokens.key_set)] if tokens and "://" not in tokens.key_set else []
    return NamedFiles(
        secrets=(*(pair.key.path for pair in pairs), *(Path(path) for path in given if path)),
        trusted=(*(pair.certificate.path for pair in pairs), *(one.path for one in authorities), *key_set),
    )
