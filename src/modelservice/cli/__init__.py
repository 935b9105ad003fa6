"""The command `modelservice`: one module for each noun. Commands parse, call and print."""

from __future__ import annotations

import importlib
import os
import sys

import click

from modelservice.cli import failures

# Each command's module, in the order in which help lists them. A module is imported when its command is used: gRPC,
# Envoy and the database are slow to load, and most commands need one of them.
_COMMANDS = {
    "run": "run",
    "serve": "serve",
    "init": "init",
    "migrate": "migrate",
    "check": "check",
    "backup": "backup",
    "restore": "restore",
    "organizations": "organization_commands",
    "keys": "key_commands",
    "clients": "client_commands",
    "models": "model_commands",
    "catalogue": "catalogue_commands",
    "explain": "explain_command",
    "audit": "audit",
    "config": "config",
    "envoy-config": "envoy_config",
}


class _Commands(failures.CommandGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"modelservice.cli.{module}"), cmd_name.replace("-", "_")
        )
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="modelservice", message="%(prog)s %(version)s")
def modelservice() -> None:
    """A catalogue of AI models over gRPC and REST.

    Settings are environment variables: `modelservice config` lists them.
    """


def main() -> None:
    """Runs the command, and ends the process with its status."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The next file that is opened would take its place, and get what is meant for nobody.
            os.open(os.devnull, os.O_RDWR)
    sys.exit(failures.run(modelservice))
