"""The settings of TLS: who shows which certificate to whom. They must fit together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from modelservice.config.parsers import Address, boolean, path, server_name
from modelservice.config.setting import PREFIX, Setting
from modelservice.errors import InvalidSettingError
from modelservice.hosts import is_loopback
from modelservice.pem_files import PairFiles, PemFile

_PATH_BOUNDS: Final = "the path of a PEM file"

TLS_SETTINGS: Final = (
    Setting(
        "tls_certificate",
        "",
        _PATH_BOUNDS,
        "Certificate chain of Envoy's HTTPS port, leaf first. Empty serves plain HTTP.",
        path,
    ),
    Setting("tls_key", "", _PATH_BOUNDS, "Private key of `MODELSERVICE_TLS_CERTIFICATE`, without a passphrase.", path),
    Setting(
        "grpc_tls_certificate",
        "",
        _PATH_BOUNDS,
        "Certificate chain of the gRPC server, leaf first. Empty serves plain text.",
        path,
    ),
    Setting(
        "grpc_tls_key",
        "",
        _PATH_BOUNDS,
        "Private key of `MODELSERVICE_GRPC_TLS_CERTIFICATE`, without a passphrase.",
        path,
    ),
    Setting(
        "grpc_tls_client_ca",
        "",
        _PATH_BOUNDS,
        "CA certificates that sign the client certificates of gRPC callers (mTLS). Empty asks for none.",
        path,
    ),
    Setting(
        "grpc_tls_ca",
        "",
        _PATH_BOUNDS,
        "CA certificates with which Envoy verifies the gRPC server. Empty connects in plain text.",
        path,
    ),
    Setting(
        "grpc_tls_server_name",
        "",
        "a host name, an IP address, or a spiffe:// URI",
        "Name that Envoy requires in the gRPC server's certificate.",
        server_name,
    ),
    Setting(
        "grpc_tls_client_certificate",
        "",
        _PATH_BOUNDS,
        "Client certificate that Envoy presents to the gRPC server.",
        path,
    ),
    Setting(
        "grpc_tls_client_key",
        "",
        _PATH_BOUNDS,
        "Private key of `MODELSERVICE_GRPC_TLS_CLIENT_CERTIFICATE`, without a passphrase.",
        path,
    ),
    Setting(
        "allow_plaintext",
        "false",
        "true or false",
        "Allows Envoy and the gRPC server to listen without TLS on addresses other than loopback.",
        boolean,
    ),
)

# What means nothing without the other.
_NEEDS: Final = (
    ("tls_certificate", "tls_key"),
    ("tls_key", "tls_certificate"),
    ("grpc_tls_certificate", "grpc_tls_key"),
    ("grpc_tls_key", "grpc_tls_certificate"),
    ("grpc_tls_client_ca", "grpc_tls_certificate"),
    ("grpc_tls_ca", "grpc_tls_server_name"),
    ("grpc_tls_server_name", "grpc_tls_ca"),
    ("grpc_tls_client_certificate", "grpc_tls_client_key"),
    ("grpc_tls_client_key", "grpc_tls_client_certificate"),
    ("grpc_tls_client_certificate", "grpc_tls_ca"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """How Envoy talks TLS to the gRPC server.

    Attributes:
        authority: By whose word it believes the server.
        server_name: Which name it wants to find there.
        pair: What it shows the server; None for nothing.
    """

    authority: PemFile
    server_name: str
    pair: PairFiles | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Who shows which certificate to whom.

    Attributes:
        edge: Envoy to its callers; None for plain text.
        server: The gRPC server to its callers; None for plain text.
        client_authority: Who vouches for the callers of the gRPC server; None where they show no certificate.
        upstream: Envoy and the server; None for plain text.
        plaintext_allowed: Whether there may be plain text beyond loopback.
    """

    edge: PairFiles | None
    server: PairFiles | None
    client_authority: PemFile | None
    upstream: Upstream | None
    plaintext_allowed: bool

    def require_edge(self, address: Address) -> None:
        """Makes sure that Envoy may listen at an address, and has what a server with these settings wants.

        Raises:
            InvalidSettingError: It would be plain text on a network; or the server wants TLS, or a certificate, and
                Envoy has none.
        """
        self._require("http_address", address, "tls_certificate", self.edge)
        if self.server and not self.upstream:
            raise _missing("grpc_tls_ca", "grpc_tls_certificate")
        if self.client_authority and not (self.upstream and self.upstream.pair):
            raise _missing("grpc_tls_client_certificate", "grpc_tls_client_ca")

    def require_server(self, address: Address) -> None:
        """Makes sure that the gRPC server may listen at an address.

        Raises:
            InvalidSettingError: It would be plain text on a network.
        """
        self._require("grpc_address", address, "grpc_tls_certificate", self.server)

    def require_server_for_edge(self) -> None:
        """Makes sure that a server that has these settings talks TLS where Envoy does.

        Raises:
            InvalidSettingError: Envoy wants TLS, and the server has none.
        """
        if self.upstream and not self.server:
            raise _missing("grpc_tls_certificate", "grpc_tls_ca")

    def _require(self, field: str, address: Address, certificate: str, pair: PairFiles | None) -> None:
        if not (pair or self.plaintext_allowed or is_loopback(address.host)):
            raise InvalidSettingError(
                f"{_name(field)}: {address} is not loopback, and would be plain text: set {_name(certificate)}, "
                f"or {_name('allow_plaintext')} to true"
            )


def take_tls(values: dict[str, Any]) -> Tls:
    """Takes the settings of TLS out of the values of all.

    Args:
        values: The value of every setting, by its field.

    Raises:
        InvalidSettingError: One is set without another that it needs.
    """
    given = {setting.field: values.pop(setting.field) for setting in TLS_SETTINGS}
    for field, needed in _NEEDS:
        if given[field] and not given[needed]:
            raise _missing(needed, field)
    authority, client_authority = _file(given, "grpc_tls_ca"), _file(given, "grpc_tls_client_ca")
    return Tls(
        edge=_pair(given, "tls"),
        server=_pair(given, "grpc_tls"),
        client_authority=client_authority,
        upstream=Upstream(
            authority=authority, server_name=given["grpc_tls_server_name"], pair=_pair(given, "grpc_tls_client")
        )
        if authority
        else None,
        plaintext_allowed=given["allow_plaintext"],
    )


def _file(given: dict[str, Path | None], field: str) -> PemFile | None:
    found = given[field]
    return PemFile(_name(field), found) if found else None


def _pair(given: dict[str, Path | None], prefix: str) -> PairFiles | None:
    certificate, key = _file(given, f"{prefix}_certificate"), _file(given, f"{prefix}_key")
    return PairFiles(certificate, key) if certificate and key else None


def _missing(needed: str, field: str) -> InvalidSettingError:
    return InvalidSettingError(f"{_name(needed)}: must be set, because {_name(field)} is")


def _name(field: str) -> str:
    return PREFIX + field.upper()
