"""`modelservice serve`."""

from __future__ import annotations

import os
import sys

import click

from modelservice import app, config, telemetry


@click.command()
def serve() -> None:
    """Run the gRPC server alone."""
    settings = config.load(os.environ)
    stop = app.Stop()
    stop.listen()
    app.serve(settings, telemetry.make_log(sys.stderr, settings.log_level), stop)
