"""Envoy's configuration: the source `envoy.yaml`, with settings applied to it as data."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

import yaml

from modelservice import private_files
from modelservice.config import Settings, Upstream
from modelservice.edge.access_log import limit_lines
from modelservice.edge.administration import Administration, socket_in
from modelservice.edge.cors import allow_origins
from modelservice.edge.rates import Rates, limit_rates
from modelservice.edge.tls import secure
from modelservice.errors import EdgeError
from modelservice.pem_files import PairFiles

CONFIGURATION: Final = "envoy.yaml"
DESCRIPTOR: Final = "descriptor.pb"
OPENAPI: Final = "openapi.json"
# What Envoy reads beside its configuration.
_FILES: Final = (DESCRIPTOR, OPENAPI, "responses.lua", "micro_cache.lua", "send_budget.lua")
# Where the source says that they are.
_FOUND_AT: Final = "src/modelservice/edge"

# The mode of a socket that is its user's alone.
_OWN: Final = 0o600
_MB: Final = 1024 * 1024
# How many requests may be under way to servers that are named, however many they are.
_REQUESTS_OF_NAMES: Final = 1000
# What Envoy may have open beside its callers' connections: health checks, connections to servers, files of its own.
_OTHER_FILES: Final = 1000

# What the transcoder calls for a REST path, by the setting `rest_rendering`.
_SERVICES: Final = {"ready": "modelservice.rest.v1.RestService", "transcoder": "modelservice.v1.ModelService"}


@dataclass(frozen=True, slots=True)
class Edge:
    """What settings say of Envoy.

    Attributes:
        http: Where it listens: IP address and port.
        health: Where it answers health checks alone; None for nowhere.
        admin: Where its administration listens; None for a Unix socket in the folder of its configuration.
        upstreams: The servers behind it: IP addresses or names, and ports.
        rest_rendering: Who makes REST's JSON: `ready` or `transcoder`.
        organization_header: Whether `x-modelservice-organization` is passed on.
        cache_ttl: For how long Envoy answers the same request by itself, in seconds.
        max_age: For how long callers may take an answer for fresh, in seconds.
        rates: How much one caller may ask.
        certificate: What it shows its callers; None for plain text.
        trust: How it talks TLS to the servers; None for plain text.
        cors_origins: Whose pages may ask from a browser.
        memory_max: What its heap may take, in MB.
        log_lines_per_second: How many lines it may log about anything but calls that succeeded; 0: all.
        files_max: How many files it may have open; None for as many as the source's limit of connections needs.
    """

    http: tuple[str, int]
    health: tuple[str, int] | None
    admin: tuple[str, int] | None
    upstreams: Sequence[tuple[str, int]]
    rest_rendering: str
    organization_header: bool
    cache_ttl: float
    max_age: int
    rates: Rates
    certificate: PairFiles | None
    trust: Upstream | None
    cors_origins: Sequence[str]
    memory_max: int
    log_lines_per_second: int
    files_max: int | None = None

    @classmethod
    def of(cls, settings: Settings, upstreams: Sequence[tuple[str, int]] = (), *, files_max: int | None = None) -> Self:
        """Returns what the settings say; without upstreams, the one server is this machine's."""
        return cls(
            http=settings.http_address,
            health=settings.health_address,
            admin=settings.envoy_admin_address,
            upstreams=upstreams or (settings.grpc_address.reachable(),),
            rest_rendering=settings.rest_rendering,
            organization_header=settings.organization_header,
            cache_ttl=settings.edge_cache_ttl,
            max_age=settings.client_cache_max_age,
            rates=Rates(settings.rate_per_address, settings.rate_per_credential, settings.trusted_proxies),
            certificate=settings.tls.edge,
            trust=settings.tls.upstream,
            cors_origins=settings.cors_origins,
            memory_max=settings.envoy_memory_max,
            log_lines_per_second=settings.log_calls_per_second,
            files_max=files_max,
        )

    def admin_in(self, folder: Path) -> Administration:
        """Returns where its administration listens.

        Args:
            folder: Where the Envoy finds its configuration.

        Raises:
            EdgeError: A Unix socket's path would be too long there.
        """
        return self.admin or socket_in(folder)


def write_configuration(edge: Edge, folder: Path, found_at: Path) -> Path:
    """Writes Envoy's configuration, and the files that it needs, into a folder.

    Args:
        edge: What settings say.
        folder: Where to. It is made when it is not there. It and its files are this user's alone.
        found_at: The folder's path for the Envoy that will read it.

    Returns:
        The configuration's path.

    Raises:
        EdgeError: It cannot be written, or the path of the administration's socket is too long.
    """
    package = resources.files("modelservice.edge")
    source: dict[str, Any] = yaml.safe_load((package / CONFIGURATION).read_text(encoding="utf-8"))
    more = _configure(source, edge, found_at)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in _FILES:
            private_files.write(folder / name, (package / name).read_bytes())
        for name, content in {CONFIGURATION: source, **more}.items():
            text = yaml.dump(content, Dumper=_PlainDumper, sort_keys=False, width=120)
            private_files.write(folder / name, text.encode())
    except OSError as error:
        raise EdgeError(f"cannot write {error.filename}: {os.strerror(error.errno or 0)}") from None
    return folder / CONFIGURATION


def _configure(source: dict[str, Any], edge: Edge, found_at: Path) -> dict[str, dict[str, Any]]:
    """Puts into the source what settings say. Returns the files that it needs besides, by name."""
    heap, connections = (monitor["typed_config"] for monitor in source["overload_manager"]["resource_monitors"])
    heap["max_heap_size_bytes"] = edge.memory_max * _MB
    if edge.files_max is not None:
        most = connections["max_active_downstream_connections"]
        connections["max_active_downstream_connections"] = min(most, _connections(edge.files_max))
    resources_ = source["static_resources"]
    listener, health = resources_["listeners"]
    listener["address"] = _listening(edge.http)
    if edge.health:
        health["address"] = _listening(edge.health)
    else:
        resources_["listeners"].remove(health)
    if sys.platform != "linux":
        # Its option has another number elsewhere.
        del listener["socket_options"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    limit_rates(manager, edge.rates)
    budget = limit_lines(manager, edge.log_lines_per_second, found_at)
    filters = {item["name"].rpartition(".")[2]: item["typed_config"] for item in manager["http_filters"]}
    script = filters["lua"]["default_source_code"]
    for said, meant in in_script(edge, found_at):
        script["inline_string"] = script["inline_string"].replace(said, meant)
    transcoder = filters["grpc_json_transcoder"]
    transcoder["proto_descriptor"] = str(found_at / DESCRIPTOR)
    transcoder["services"] = [_SERVICES[edge.rest_rendering]]
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        if "direct_response" in route:
            route["direct_response"]["body"] = {"filename": str(found_at / OPENAPI)}
    if edge.organization_header:
        filters["header_mutation"]["mutations"]["request_mutations"].remove({"remove": "x-modelservice-organization"})
    if edge.cors_origins:
        allow_origins(manager, edge.cors_origins)
    cluster, administration = resources_["clusters"]
    (threshold,) = cluster["circuit_breakers"]["thresholds"]
    threshold["max_requests"] *= len(edge.upstreams)
    if not all(_is_ip_address(host) for host, _ in edge.upstreams):
        cluster["type"] = "STRICT_DNS"
        # A name may stand for several servers.
        threshold["max_requests"] = max(threshold["max_requests"], _REQUESTS_OF_NAMES)
    cluster["load_assignment"]["endpoints"] = _endpoints(*edge.upstreams)
    admin = edge.admin_in(found_at)
    source["admin"]["address"] = _address(admin)
    administration["load_assignment"]["endpoints"] = _endpoints(admin)
    return budget | secure(source, edge.certificate, edge.trust, found_at)


def in_script(edge: Edge, found_at: Path) -> list[tuple[str, str]]:
    """Returns what the Lua script says in the source, and what is meant."""
    organization = ", x-modelservice-organization" if edge.organization_header else ""
    origin = ", Origin" if edge.cors_origins else ""
    return [
        # Within a text of Lua's, which escapes as JSON does.
        (_FOUND_AT, json.dumps(str(found_at), ensure_ascii=False)[1:-1]),
        ("ttl = 1000", f"ttl = {round(edge.cache_ttl * 1000)}"),
        ("max-age=0", f"max-age={edge.max_age}"),
        ("Authorization, Accept-Encoding", f"Authorization, Accept-Encoding{organization}{origin}"),
        ("bytes = 134217728", f"bytes = {edge.memory_max * _MB // 8}"),
    ]


def _connections(files: int) -> int:
    """Returns how many connections fit into so many open files: the rest is for everything else."""
    return files - min(files // 2, _OTHER_FILES)


def _listening(address: tuple[str, int]) -> dict[str, Any]:
    """Returns an address to listen at. `::` takes IPv4 as well, as it does for the servers."""
    listening = _address(address)
    if ipaddress.ip_address(address[0]) == ipaddress.ip_address("::"):
        listening["socket_address"]["ipv4_compat"] = True
    return listening


def _address(address: Administration) -> dict[str, Any]:
    if isinstance(address, Path):
        return {"pipe": {"path": str(address), "mode": _OWN}}
    host, port = address
    return {"socket_address": {"address": host, "port_value": port}}


def _endpoints(*addresses: Administration) -> list[dict[str, Any]]:
    return [{"lb_endpoints": [{"endpoint": {"address": _address(address)}} for address in addresses]}]


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _PlainDumper(yaml.SafeDumper):
    """Writes what stands for itself: no aliases, and a program as lines."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_PlainDumper.add_representer(str, _text)
