"""`modelservice run`."""

from __future__ import annotations

import os
import resource
from typing import Final

import click

from modelservice import config, telemetry
from modelservice.cli.invocation import pasteable
from modelservice.cli.preconditions import require_certificates, require_database_file, require_key_file
from modelservice.config import Address, Settings
from modelservice.edge.configuration import Edge
from modelservice.edge.envoy_output import EnvoyOutput
from modelservice.edge.ports import require_free
from modelservice.edge.processes import Processes, find_envoy
from modelservice.edge.workers import Workers, worker_addresses
from modelservice.stop import Stop

_STANDARD_OUTPUT: Final = 1


@click.command()
@click.option("--demo", is_flag=True, help="First create the database, the documented catalogue and an API key.")
@click.option(
    "--workers",
    "count",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of servers, on consecutive ports from the gRPC address on. On Linux each is pinned to a core "
    "(MODELSERVICE_PIN_WORKERS).",
)
def run(*, demo: bool, count: int) -> None:
    """Run the server, with Envoy in front, until Ctrl-C or SIGTERM.

    Either signal ends both once all requests are answered; a second one ends them at once. A server that exits is
    restarted.

    SIGHUP restarts the servers one after the other, without a failed request. A single server cannot be replaced that
    way: for some seconds, until it is ready again, responses are 503.
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
    if not demo:
        require_database_file(settings.database_url)
    envoy = find_envoy(settings.envoy_binary)
    demo_lines = _prepare_demo(settings) if demo else []
    with (
        telemetry.standard_error_log(settings.log_level, settings.log_format) as (log, errors),
        telemetry.line_writer(_STANDARD_OUTPUT) as output,
    ):
        for_people = output.isatty() and telemetry.is_for_people(errors, settings.log_format)
        workers = Workers(settings, count, log)
        # Envoy raises its limit of open files to the maximum.
        _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
        edge = Edge(settings, workers.upstreams, None if files_max == resource.RLIM_INFINITY else files_max)
        envoy_output = EnvoyOutput(log, output, for_people=for_people)
        with Processes(envoy, edge, envoy_output, workers, stop.hurried) as processes:
            if processes.wait_until_ready(stop.requested):
                # One write, so that no log line comes in between.
                output.write("".join(f"{line}\n" for line in (_ready(settings, count), *demo_lines)))
            processes.watch(stop.requested, stop.restart)
            processes.drain()


def _addresses(settings: Settings, count: int) -> list[tuple[str, Address]]:
    """Returns every address that will be listened on, with its setting."""
    addresses = [item for number in range(count) for item in worker_addresses(settings, number).items()]
    own = [
        (config.PREFIX + field.upper(), getattr(settings, field))
        for field in ("http_address", "health_address", "envoy_admin_address")
    ]
    return addresses + [(setting, address) for setting, address in own if address]


def _ready(settings: Settings, count: int) -> str:
    servers = str(settings.grpc_address) + (f" to {settings.grpc_address.port + count - 1}" if count > 1 else "")
    return f"ready: REST on {_url(settings)}, gRPC on {servers} and {settings.http_address.reachable()}"


def _url(settings: Settings) -> str:
    return f"{'https' if settings.tls.edge else 'http'}://{settings.http_address.reachable()}/v1/models"


def _prepare_demo(settings: Settings) -> list[str]:
    """Creates what `--demo` needs. Returns lines to print once the service is ready."""
    # The database libraries cost half a second and 40 MB, and this process has no other use for them.
    from modelservice.manage import demo  # noqa: PLC0415

    demo.prepare(settings.database_url)
    # Before the servers start, so that they know the key from the beginning.
    made = demo.make_key(settings.database_url)
    if made.key is None:
        return [
            f"the organization {made.organization_id} has keys, shown only when created. To create another:",
            pasteable("keys", "create", "--organization", made.organization_id),
        ]
    return [
        f"an API key of the organization {made.organization_id}, shown only once:",
        f'curl -H "Authorization: Bearer {made.key.text}" {_url(settings)}',
    ]
