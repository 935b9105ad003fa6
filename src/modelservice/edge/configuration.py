"""Envoy's configuration: the template `envoy.yaml.j2`, rendered with the settings, and the files that it refers to."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeAlias

import jinja2
import yaml

from modelservice import private_files
from modelservice.config import Settings, Tls
from modelservice.dialects.paths import DOCUMENTS, PATHS
from modelservice.errors import REFUSALS, EdgeError, Refusal, RefusalKind
from modelservice.pem_files import PairFiles

CONFIGURATION: Final = "envoy.yaml"
LOG_BUDGET: Final = "log_budget.yaml"
# Copied unchanged.
COPIED: Final = (
    "descriptor.pb",
    "openapi.json",
    "errors.lua",
    "edge.lua",
    "cors.lua",
    "micro_cache.lua",
    "responses.lua",
    "send_budget.lua",
)

# Where Envoy's admin interface listens: a loopback IP address and port, or the path of a Unix socket.
Administration: TypeAlias = tuple[str, int] | Path

_SOCKET: Final = "envoy-admin.sock"
# In bytes: the limit of macOS. Linux allows 107.
_SOCKET_PATH_MAX: Final = 103
# Lines per second: more than Envoy can write.
_UNLIMITED_LINES: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Edge:
    """What Envoy's configuration depends on.

    Attributes:
        settings: The settings.
        upstreams: IP addresses or host names, and ports, of the servers. Empty: the one server on the gRPC address.
        files_max: Envoy's limit of open files, if known.
    """

    settings: Settings
    upstreams: Sequence[tuple[str, int]] = ()
    files_max: int | None = None

    def admin_in(self, folder: Path) -> Administration:
        """Returns where the admin interface of an Envoy listens whose configuration is in a folder.

        Raises:
            EdgeError: The path of the Unix socket would be too long.
        """
        if self.settings.envoy_admin_address:
            return self.settings.envoy_admin_address
        path = folder / _SOCKET
        if len(os.fsencode(path)) > _SOCKET_PATH_MAX:
            raise EdgeError(
                f"{path}: too long for a Unix socket: at most {_SOCKET_PATH_MAX} bytes (use a shorter folder, or set "
                "MODELSERVICE_ENVOY_ADMIN_ADDRESS)"
            )
        return path


def write_configuration(edge: Edge, folder: Path, found_at: Path) -> Path:
    """Writes Envoy's configuration, and the files that it refers to, into a folder that only its owner can read.

    Args:
        edge: What the configuration depends on.
        folder: The folder to write to. It is created if necessary.
        found_at: The folder's path where Envoy runs.

    Returns:
        The configuration's path.

    Raises:
        EdgeError: A file cannot be written, or the path of the admin socket is too long.
    """
    package = resources.files("modelservice.edge")
    files = {name: (package / name).read_bytes() for name in COPIED}
    files[CONFIGURATION] = render(edge, found_at, edge.admin_in(found_at)).encode()
    files[LOG_BUDGET] = _yaml_file(_log_budget(edge.settings.log_calls_per_second))
    files |= {f"{name}.yaml": _yaml_file(secret) for name, secret in _secrets(edge.settings.tls).items()}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in files.items():
            private_files.write(folder / name, content)
    except OSError as error:
        raise EdgeError(f"cannot write {error.filename}: {os.strerror(error.errno or 0)}") from None
    return folder / CONFIGURATION


def render(edge: Edge, found_at: Path, admin: Administration, *, platform: str = sys.platform) -> str:
    """Returns the text of Envoy's configuration.

    Args:
        edge: What the configuration depends on.
        found_at: The path of the folder with the other files, where Envoy runs.
        admin: Where the admin interface listens.
        platform: The platform that Envoy runs on, as `sys.platform` names it.
    """
    # Transcoded plainly, only the documents' paths exist.
    ready = edge.settings.rest_rendering == "ready"
    paths = [path for path in PATHS if ready or path.dialect == DOCUMENTS]
    template = (resources.files("modelservice.edge") / "envoy.yaml.j2").read_text(encoding="utf-8")
    return _ENVIRONMENT.from_string(template).render(
        settings=edge.settings,
        upstreams=edge.upstreams or (edge.settings.grpc_address.reachable(),),
        files_max=edge.files_max,
        folder=str(found_at),
        admin=str(admin) if isinstance(admin, Path) else admin,
        linux=platform == "linux",
        errors={kind.code: kind for kind in REFUSALS},
        # As a regular expression.
        collections="|".join(re.escape(path.collection) for path in paths),
    )


def error_body(kind: RefusalKind) -> str:
    """Returns the body of an error that Envoy sends by itself: for every path in the documents' shape."""
    return json.dumps(Refusal(kind).document, separators=(",", ":"))


def _log_budget(lines_per_second: int) -> dict[str, Any]:
    """Returns the package's log budget with another limit. 0 disables the limit."""
    text = (resources.files("modelservice.edge") / LOG_BUDGET).read_text(encoding="utf-8")
    budget: dict[str, Any] = yaml.safe_load(text)
    lines = lines_per_second or _UNLIMITED_LINES
    budget["resources"][0]["resource"] |= {"max_tokens": lines, "tokens_per_fill": lines}
    return budget


def _secrets(tls: Tls) -> dict[str, dict[str, Any]]:
    """Returns the TLS secrets by name: only paths. Envoy notices renewed files only if they are named by secrets."""
    secrets: dict[str, dict[str, Any]] = {}
    if tls.edge:
        secrets["edge_certificate"] = _certificate(tls.edge)
    if tls.upstream:
        if tls.upstream.pair:
            secrets["client_certificate"] = _certificate(tls.upstream.pair)
        authority = {"filename": str(tls.upstream.authority.path.absolute())}
        secrets["server_authority"] = {"validation_context": {"trusted_ca": authority}}
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    return {name: {"resources": [{"@type": kind, "name": name, **secret}]} for name, secret in secrets.items()}


def _certificate(pair: PairFiles) -> dict[str, Any]:
    chain, key = ({"filename": str(file.path.absolute())} for file in (pair.certificate, pair.key))
    return {"tls_certificate": {"certificate_chain": chain, "private_key": key}}


def _yaml_file(content: dict[str, Any]) -> bytes:
    return yaml.safe_dump(content, sort_keys=False, width=120).encode()


def _yaml(value: str | float | bool) -> str:  # noqa: FBT001  (a filter of the template)
    """Returns a value as YAML. Beyond ASCII, JSON's escapes are not YAML's."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[^ -~]", lambda match: f"\\U{ord(match[0]):08x}", text)


def to_lua(value: Mapping[str, Any] | Sequence[str] | float | bool) -> str:  # noqa: FBT001  (a filter of the template)
    """Returns a value as Lua: a table with names as keys, a list of strings, a string, a number or a boolean."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {to_lua(item)}" for name, item in value.items()) + "}"
    if isinstance(value, str):
        text = value.replace("\\", "\\\\").replace('"', '\\"')
        # Decimal escapes, which every Lua reads.
        return '"' + re.sub(rb"[^ -~]", lambda match: b"\\%03d" % match[0][0], os.fsencode(text)).decode() + '"'
    if isinstance(value, Sequence):
        return "{" + ", ".join(map(to_lua, value)) + "}"
    return json.dumps(value)


def is_ip_address(host: str) -> bool:
    """Returns whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


_ENVIRONMENT: Final = jinja2.Environment(
    block_start_string="[%",
    block_end_string="%]",
    variable_start_string="[[",
    variable_end_string="]]",
    comment_start_string="[#",
    comment_end_string="#]",
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=jinja2.StrictUndefined,
    # The output is YAML, not HTML.
    autoescape=False,  # noqa: S701
)
_ENVIRONMENT.filters |= {"yaml": _yaml, "lua": to_lua, "error_body": error_body}
_ENVIRONMENT.tests["ip_address"] = is_ip_address
