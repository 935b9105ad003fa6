"""TLS in Envoy's configuration: to its callers, and to the server.

Certificates and keys are named by path, never copied. Envoy reads such files again when they are renewed only if they
come to it as secrets, each from a file of its own that says where they are.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Final

from modelservice.config import Upstream
from modelservice.edge.access_log import budget
from modelservice.pem_files import PairFiles, PemFile

_EXTENSIONS: Final = "type.googleapis.com/envoy.extensions"
_SECRET: Final = f"{_EXTENSIONS}.transport_sockets.tls.v3.Secret"
# In seconds: how long a caller may take to greet.
_HANDSHAKE_MAX: Final = 3


def secure(
    source: dict[str, Any], certificate: PairFiles | None, trust: Upstream | None, found_at: Path
) -> dict[str, Any]:
    """Puts TLS into Envoy's configuration.

    Args:
        source: The configuration, which is changed.
        certificate: What Envoy shows its callers; None for plain text.
        trust: How Envoy talks TLS to the servers; None for plain text.
        found_at: The folder's path for the Envoy that will read it.

    Returns:
        The files that it needs besides, by name.
    """
    secrets: dict[str, dict[str, Any]] = {}

    def keep(name: str, secret: dict[str, Any]) -> dict[str, Any]:
        file = f"{name}.yaml"
        secrets[file] = {"resources": [{"@type": _SECRET, "name": name, **secret}]}
        return {
            "name": name,
            "sds_config": {"resource_api_version": "V3", "path_config_source": {"path": f"{found_at}/{file}"}},
        }

    if certificate:
        _secure_listener(source["static_resources"]["listeners"][0], keep("edge_certificate", _pair(certificate)))
    if trust:
        shown = [keep("client_certificate", _pair(trust.pair))] if trust.pair else []
        authority = keep("server_authority", {"validation_context": {"trusted_ca": _file(trust.authority)}})
        source["static_resources"]["clusters"][0]["transport_socket"] = _to_server(trust.server_name, authority, shown)
    return secrets


def _secure_listener(listener: dict[str, Any], certificate: dict[str, Any]) -> None:
    (chain,) = listener["filter_chains"]
    chain["transport_socket"] = _transport_socket(
        "DownstreamTlsContext",
        {"alpn_protocols": ["h2", "http/1.1"], "tls_certificate_sds_secret_configs": [certificate]},
    )
    chain["transport_socket_connect_timeout"] = f"{_HANDSHAKE_MAX}s"
    # Requests are logged where they are understood. This is for callers who do not come that far; their lines count as
    # those of refused requests do.
    (manager,) = chain["filters"]
    filters = [_IS_REFUSED, budget(manager["typed_config"])]
    listener["access_log"] = [{**_REFUSED_HANDSHAKES, "filter": {"and_filter": {"filters": filters}}}]


def _to_server(name: str, authority: dict[str, Any], shown: list[dict[str, Any]]) -> dict[str, Any]:
    kind = _kind(name)
    expected = {"match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": name}}]}
    verified = {"default_validation_context": expected, "validation_context_sds_secret_config": authority}
    common: dict[str, Any] = {"alpn_protocols": ["h2"], "combined_validation_context": verified}
    if shown:
        common["tls_certificate_sds_secret_configs"] = shown
    return _transport_socket("UpstreamTlsContext", common, **({"sni": name} if kind == "DNS" else {}))


def _transport_socket(kind: str, common: dict[str, Any], **more: str) -> dict[str, Any]:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.transport_sockets.tls.v3.{kind}",
            **more,
            "common_tls_context": {"tls_params": {"tls_minimum_protocol_version": "TLSv1_2"}, **common},
        },
    }


def _pair(files: PairFiles) -> dict[str, Any]:
    return {"tls_certificate": {"certificate_chain": _file(files.certificate), "private_key": _file(files.key)}}


def _file(file: PemFile) -> dict[str, str]:
    return {"filename": str(file.path.absolute())}


def _kind(name: str) -> str:
    """Returns which kind of a certificate's names it is, as Envoy calls it."""
    if "://" in name:
        return "URI"
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "DNS"
    return "IP_ADDRESS"


_IS_REFUSED: Final = {
    "extension_filter": {
        "name": "envoy.access_loggers.extension_filters.cel",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": "connection.transport_failure_reason != ''",
        },
    }
}
_REFUSED_HANDSHAKES: Final = {
    "name": "envoy.access_loggers.stdout",
    "typed_config": {
        "@type": f"{_EXTENSIONS}.access_loggers.stream.v3.StdoutAccessLog",
        "log_format": {
            "json_format": {
                "time": "%START_TIME%",
                "message": "handshake refused",
                "reason": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
                "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
            }
        },
    },
}
