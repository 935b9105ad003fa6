"""The command `modelservice`: one module for each noun. Commands parse, call and print."""

from __future__ import annotations

import sys

import click

from modelservice.cli.config import config
from modelservice.cli.envoy_config import envoy_config
from modelservice.cli.keys import keys
from modelservice.cli.migrate import migrate
from modelservice.cli.organizations import organizations
from modelservice.cli.run import run
from modelservice.cli.serve import serve
from modelservice.errors import ModelserviceError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="modelservice", message="%(prog)s %(version)s")
def modelservice() -> None:
    """A catalogue of AI models over gRPC and REST.

    Settings are environment variables: `modelservice config` lists them.
    """


for command in (run, serve, migrate, organizations, keys, config, envoy_config):
    modelservice.add_command(command)


def main() -> None:
    """Runs the command. What goes wrong is one line on standard error, and the status 1."""
    try:
        modelservice(prog_name="modelservice")
    except ModelserviceError as error:
        click.echo(f"modelservice: {error}", err=True)
        sys.exit(1)
