"""`modelservice serve`."""

from __future__ import annotations

import os

import click

from modelservice import app, config, telemetry
from modelservice.cli.preconditions import require_key_file
from modelservice.edge.ports import require_free
from modelservice.edge.workers import worker_addresses
from modelservice.stop import Stop


@click.command()
def serve() -> None:
    """Run the gRPC server without Envoy."""
    settings = config.load(os.environ)
    stop = Stop()
    stop.listen()
    settings.tls.require_server(settings.grpc_address)
    # gRPC would fail, too, but print lines of its own.
    require_free(*worker_addresses(settings, 0).items())
    require_key_file(settings.tokens)
    with (
        telemetry.standard_error_log(settings.log_level, settings.log_format) as (log, writer),
        telemetry.foreign_lines_logged(log),
    ):
        app.serve(settings, log, stop, lambda: writer.dropped)
