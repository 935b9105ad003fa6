"""The settings of TLS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from modelservice.config import parsers
from modelservice.config.declaration import Group, Setting, missing, variable
from modelservice.config.parsers import Address
from modelservice.errors import InvalidSettingError
from modelservice.hosts import is_loopback
from modelservice.pem_files import PairFiles, PemFile

# Each setting, and one that it needs.
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
    """TLS between Envoy and the gRPC server.

    Attributes:
        authority: CA certificates with which Envoy verifies the server.
        server_name: Name that the server's certificate must contain.
        pair: Envoy's client certificate, or None.
    """

    authority: PemFile
    server_name: str
    pair: PairFiles | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS of Envoy and of the gRPC server.

    Attributes:
        edge: Envoy's certificate; None for plain text.
        server: The gRPC server's certificate; None for plain text.
        client_authority: CA certificates that sign client certificates of gRPC callers; None to require none.
        upstream: TLS from Envoy to the server; None for plain text.
        plaintext_allowed: Whether plain text is allowed on addresses other than loopback.
    """

    edge: PairFiles | None
    server: PairFiles | None
    client_authority: PemFile | None
    upstream: Upstream | None
    plaintext_allowed: bool

    def require_edge(self, address: Address) -> None:
        """Checks that Envoy may listen at an address, and that it can connect to a server with the same settings.

        Raises:
            InvalidSettingError: The address would be plain text on a network, the server requires TLS that Envoy does
                not use, or the server requires a client certificate that Envoy does not have.
        """
        self._require("http_address", address, "tls_certificate", self.edge)
        if self.server and not self.upstream:
            raise missing("grpc_tls_ca", because="grpc_tls_certificate")
        if self.client_authority and not (self.upstream and self.upstream.pair):
            raise missing("grpc_tls_client_certificate", because="grpc_tls_client_ca")

    def require_server(self, address: Address) -> None:
        """Checks that the gRPC server may listen at an address.

        Raises:
            InvalidSettingError: It would be plain text on a network.
        """
        self._require("grpc_address", address, "grpc_tls_certificate", self.server)

    def require_server_for_edge(self) -> None:
        """Checks that a server with the same settings uses TLS if Envoy expects it.

        Raises:
            InvalidSettingError: It does not.
        """
        if self.upstream and not self.server:
            raise missing("grpc_tls_certificate", because="grpc_tls_ca")

    def _require(self, field: str, address: Address, certificate: str, pair: PairFiles | None) -> None:
        if not (pair or self.plaintext_allowed or is_loopback(address.host)):
            raise InvalidSettingError(
                f"{variable(field)}: {address} is not loopback, and would be plain text: set {variable(certificate)}, "
                f"or {variable('allow_plaintext')} to true"
            )


class TlsSettings(Group):
    """The settings of TLS."""

    tls_certificate = Setting(
        parsers.pem_path, "Certificate chain of Envoy's HTTPS port, leaf first. Empty serves plain HTTP."
    )
    tls_key = Setting(parsers.pem_path, "Private key of `MODELSERVICE_TLS_CERTIFICATE`, without a passphrase.")
    grpc_tls_certificate = Setting(
        parsers.pem_path, "Certificate chain of the gRPC server, leaf first. Empty serves plain text."
    )
    grpc_tls_key = Setting(
        parsers.pem_path, "Private key of `MODELSERVICE_GRPC_TLS_CERTIFICATE`, without a passphrase."
    )
    grpc_tls_client_ca = Setting(
        parsers.pem_path,
        "CA certificates that sign the client certificates of gRPC callers (mTLS). If empty, callers need no "
        "certificate.",
    )
    grpc_tls_ca = Setting(
        parsers.pem_path, "CA certificates with which Envoy verifies the gRPC server. Empty connects in plain text."
    )
    grpc_tls_server_name = Setting(parsers.server_name, "Name that Envoy requires in the gRPC server's certificate.")
    grpc_tls_client_certificate = Setting(
        parsers.pem_path, "Client certificate that Envoy presents to the gRPC server."
    )
    grpc_tls_client_key = Setting(
        parsers.pem_path, "Private key of `MODELSERVICE_GRPC_TLS_CLIENT_CERTIFICATE`, without a passphrase."
    )
    allow_plaintext = Setting(
        parsers.boolean,
        "Allows Envoy and the gRPC server to listen without TLS on addresses other than loopback.",
        default="false",
    )

    def combined_tls(self) -> Tls:
        """Returns the settings of TLS as one value.

        Raises:
            InvalidSettingError: A setting lacks another one that it needs.
        """
        for field, needed in _NEEDS:
            if getattr(self, field) and not getattr(self, needed):
                raise missing(needed, because=field)
        authority = self._file("grpc_tls_ca")
        server_name, pair = self.grpc_tls_server_name, self._pair("grpc_tls_client")
        return Tls(
            edge=self._pair("tls"),
            server=self._pair("grpc_tls"),
            client_authority=self._file("grpc_tls_client_ca"),
            upstream=Upstream(authority=authority, server_name=server_name, pair=pair) if authority else None,
            plaintext_allowed=self.allow_plaintext,
        )

    def _file(self, field: str) -> PemFile | None:
        path: Path | None = getattr(self, field)
        return PemFile(variable(field), path) if path else None

    def _pair(self, prefix: str) -> PairFiles | None:
        certificate, key = self._file(f"{prefix}_certificate"), self._file(f"{prefix}_key")
        return PairFiles(certificate, key) if certificate and key else None
