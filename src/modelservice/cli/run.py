"""`modelservice run`."""

from __future__ import annotations

import os

import click

from modelservice import app, config
from modelservice.config import Settings
from modelservice.edge import probe
from modelservice.edge.configuration import Edge
from modelservice.edge.ports import require_free
from modelservice.edge.processes import Processes, find_envoy
from modelservice.manage import demo as demonstration


@click.command()
@click.option("--demo", is_flag=True, help="First make the database, the documented catalogue and a key to try.")
def run(*, demo: bool) -> None:
    """Run the server, and Envoy before it, until Ctrl-C or SIGTERM.

    Either ends both once they have answered what is under way; a second one hurries.
    """
    settings = config.load(os.environ)
    stop = app.Stop()
    stop.listen()
    for name in ("grpc_address", "http_address", "envoy_admin_address"):
        require_free(config.PREFIX + name.upper(), getattr(settings, name))
    if settings.metrics_address:
        require_free("MODELSERVICE_METRICS_ADDRESS", settings.metrics_address)
    app.require_key_file(settings.tokens)
    envoy = find_envoy(settings.envoy_binary)
    if demo:
        demonstration.prepare(settings.database_url)
    edge = Edge.of(settings)
    http = settings.http_address.reachable()
    with Processes(envoy, edge, settings.drain_seconds, stop.hurried) as processes:
        if processes.wait_until(lambda: probe.ready(http) and probe.answers(http), stop.requested):
            if demo:
                _show_demo(settings, processes, stop)
            click.echo(f"ready: REST on http://{http}/v1/models, gRPC on {settings.grpc_address} and {http}")
        processes.watch(stop.requested)
        processes.drain()


def _show_demo(settings: Settings, processes: Processes, stop: app.Stop) -> None:
    http = settings.http_address.reachable()
    key = demonstration.make_key(settings.database_url)
    if key is None:
        click.echo("the demo key was shown when it was made; `modelservice keys create` makes another")
        return
    if processes.wait_until(lambda: probe.answers(http, key.text), stop.requested):
        click.echo(f"a key of the organization {demonstration.ORGANIZATION}, shown this once:")
        click.echo(f'curl -H "Authorization: Bearer {key.text}" http://{http}/v1/models')
