"""`modelservice run`."""

from __future__ import annotations

import os
import resource
import sys

import click

from modelservice import config, telemetry
from modelservice.config import Address, Settings
from modelservice.edge import probe
from modelservice.edge.configuration import Edge
from modelservice.edge.ports import require_free
from modelservice.edge.processes import Processes, find_envoy
from modelservice.edge.workers import Workers, worker_addresses
from modelservice.preconditions import require_certificates, require_key_file
from modelservice.stop import Stop


@click.command()
@click.option("--demo", is_flag=True, help="First make the database, the documented catalogue and a key to try.")
@click.option(
    "--workers",
    "count",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="How many servers, on as many ports from the gRPC address on, each on a core of its own as far as "
    "there are any (Linux; MODELSERVICE_PIN_WORKERS).",
)
def run(*, demo: bool, count: int) -> None:
    """Run the server, and Envoy before it, until Ctrl-C or SIGTERM.

    Either ends both once they have answered what is under way; a second one hurries. A server that ends by itself is
    started again.

    SIGHUP restarts the servers one after the other, without a failed request. A single one cannot be replaced
    that way: until it is ready again, some seconds, the answer is 503.
    """
    settings = config.load(os.environ)
    stop = Stop(restarts=True)
    stop.listen()
    settings.tls.require_edge(settings.http_address)
    settings.tls.require_server(settings.grpc_address)
    settings.tls.require_server_for_edge()
    require_free(*_addresses(settings, count))
    require_key_file(settings.tokens)
    require_certificates(settings.tls)
    envoy = find_envoy(settings.envoy_binary)
    if demo:
        _prepare_demo(settings)
    workers = Workers(settings, count, telemetry.make_log(sys.stderr, settings.log_level, settings.log_format))
    # Envoy raises its limit of open files as far as it may.
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    edge = Edge.of(settings, workers.upstreams, files_max=None if files_max == resource.RLIM_INFINITY else files_max)
    with Processes(envoy, edge, workers, stop.hurried) as processes:
        if processes.wait_until_ready(settings.http_address.reachable(), stop.requested):
            if demo:
                _show_demo(settings, processes, stop)
            _show_ready(settings, count)
        processes.watch(stop.requested, stop.restart)
        processes.drain()


def _addresses(settings: Settings, count: int) -> list[tuple[str, Address]]:
    """Returns where something will listen, each with the setting that says so."""
    addresses = [item for number in range(count) for item in worker_addresses(settings, number).items()]
    own = [
        (config.PREFIX + field.upper(), getattr(settings, field))
        for field in ("http_address", "health_address", "envoy_admin_address")
    ]
    return addresses + [(setting, address) for setting, address in own if address]


def _url(settings: Settings) -> str:
    return f"{'https' if settings.tls.edge else 'http'}://{settings.http_address.reachable()}/v1/models"


def _show_ready(settings: Settings, count: int) -> None:
    servers = str(settings.grpc_address)
    if count > 1:
        servers += f" to {settings.grpc_address.port + count - 1}"
    click.echo(f"ready: REST on {_url(settings)}, gRPC on {servers} and {settings.http_address.reachable()}")


def _prepare_demo(settings: Settings) -> None:
    # This process stays, and has no other use for the database's libraries: half a second, and 40 MB.
    from modelservice.manage import demo  # noqa: PLC0415

    demo.prepare(settings.database_url)


def _show_demo(settings: Settings, processes: Processes, stop: Stop) -> None:
    from modelservice.manage import demo  # noqa: PLC0415

    key = demo.make_key(settings.database_url)
    if key is None:
        click.echo("the demo key was shown when it was made; `modelservice keys create` makes another")
        return
    http, edge = settings.http_address.reachable(), settings.tls.edge
    certificate = edge.certificate if edge else None
    if processes.wait_until(lambda: probe.answers(http, key.text, certificate=certificate), stop.requested):
        click.echo(f"a key of the organization {demo.ORGANIZATION}, shown this once:")
        click.echo(f'curl -H "Authorization: Bearer {key.text}" {_url(settings)}')
