"""The command `modelservice`. Its subcommands parse arguments, call `manage`, `app` or `edge`, and print."""

from __future__ import annotations

import importlib
import os
import sys

import click

from modelservice.cli import failures

# The module of each command, in the order of the help. A module is imported when its command runs, since gRPC, Envoy's
# configuration and the database are slow to import.
_COMMANDS = {
    "run": "run",
    "serve": "serve",
    "init": "database_commands",
    "migrate": "database_commands",
    "check": "database_commands",
    "backup": "database_commands",
    "restore": "database_commands",
    "organizations": "organization_commands",
    "keys": "key_commands",
    "clients": "client_commands",
    "models": "model_commands",
    "catalogue": "catalogue_commands",
    "sources": "source_commands",
    "explain": "inspection_commands",
    "history": "history_commands",
    "diff": "history_commands",
    "revert": "history_commands",
    "purge": "history_commands",
    "audit": "inspection_commands",
    "config": "config_command",
    "envoy-config": "envoy_config",
}


class _Commands(failures.CommandGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        imported = importlib.import_module(f"modelservice.cli.{module}")
        command: click.Command = getattr(imported, cmd_name.replace("-", "_"))
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="modelservice", message="%(prog)s %(version)s")
def modelservice() -> None:
    """A catalogue of AI models over gRPC and REST.

    Settings are environment variables: `modelservice config` lists them.
    """


def main() -> None:
    """Runs the command and exits with its status."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Otherwise the next open file gets this descriptor, and output is written into it.
            os.open(os.devnull, os.O_RDWR)
    sys.exit(failures.run(modelservice))
