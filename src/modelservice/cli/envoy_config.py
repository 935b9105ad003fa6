"""`modelservice envoy-config`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from modelservice import config
from modelservice.edge.configuration import Edge, is_ip_address, write_configuration


class _HostPort(click.ParamType[tuple[str, int]]):
    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:  # noqa: ANN401
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", str(value))
        possible = match and 1 <= int(match[3]) <= 65535 and (match[2] or is_ip_address(match[1]))  # noqa: PLR2004  (the largest port)
        if match is None or not possible:
            self.fail(f"{value!r} must be a host and a port: models.internal:50051", param, ctx)
        return match[1] or match[2], int(match[3])


@click.command("envoy-config")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option(
    "--found-at",
    type=click.Path(path_type=Path),
    help="The folder's path where Envoy runs, if it differs (a mount in a container, for example).",
)
@click.option(
    "--upstream", "upstreams", multiple=True, type=_HostPort(), help="Server behind Envoy. Repeatable.  [host:port]"
)
def envoy_config(out: Path, found_at: Path | None, upstreams: tuple[tuple[str, int], ...]) -> None:
    """Write Envoy's configuration, and the files that it needs, for an Envoy that you run yourself.

    Without --upstream, Envoy expects one server on MODELSERVICE_GRPC_ADDRESS.
    """
    settings = config.load(os.environ)
    settings.tls.require_edge(settings.http_address)
    click.echo(write_configuration(Edge(settings, upstreams), out, found_at or out.absolute()))
