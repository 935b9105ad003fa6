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
        # Envoy raises its limit of open files as far as it may.
        _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = None if files_max == resource.RLIM_INFINITY else files_max
        edge = Edge.of(settings, workers.upstreams, files_max=files)
        written = EnvoyOutput(log, output, for_people=for_people)
        with Processes(envoy, edge, written, workers, stop.hurried) as processes:
            if processes.wait_until_ready(settings.http_address.reachable(), stop.requested):
                # Written at once, so that no line of a log comes between.
                output.write("".join(f"{line}\n" for line in (_ready(settings, count), *demo_lines)))
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


def _ready(settings: Settings, count: int) -> str:
    servers = str(settings.grpc_address)
    if count > 1:
        servers += f" to {settings.grpc_address.port + count - 1}"
    return f"ready: REST on {_url(settings)}, gRPC on {servers} and {settings.http_address.reachable()}"


def _prepare_demo(settings: Settings) -> list[str]:
    """Makes what `--demo` needs. Returns what to tell the user once the service is ready."""
    # This process stays, and has no other use for the database's libraries: half a second, and 40 MB.
    from modelservice.manage import demo  # noqa: PLC0415

    demo.prepare(settings.database_url)
    # Before the servers start: they know the key from the beginning.
    made = demo.make_key(settings.database_url)
    if made.key is None:
        return [
            f"keys of the organization {made.organization_id} were shown when they were made. This makes another:",
            pasteable("keys", "create", "--organization", made.organization_id),
        ]
    return [
        f"a key of the organization {made.organization_id}, shown this once:",
        f'curl -H "Authorization: Bearer {made.key.text}" {_url(settings)}',
    ]
