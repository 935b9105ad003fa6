"""`modelservice explain`."""

from __future__ import annotations

import dataclasses
import os

import click

from modelservice import config
from modelservice.cli.output import json_option, print_json, print_rows
from modelservice.domain.text import printable
from modelservice.manage.explain import explain as explain_model


@click.command()
@click.argument("model")
@click.option("--organization", help="As callers of this organization see it; without it, as callers of none do.")
@click.option("--key-id", help="As callers with this key see it.")
@json_option
def explain(model: str, organization: str | None, key_id: str | None, *, as_json: bool) -> None:
    """Say whether a caller sees MODEL, by which rule, and where each of its values comes from."""
    if organization and key_id:
        raise click.UsageError("--organization or --key-id, not both")
    found = explain_model(config.load(os.environ).database_url, model, organization_id=organization, key_id=key_id)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    click.echo(f"{'visible' if found.visible else 'not visible'}: {printable(found.rule)}")
    if found.fields:
        click.echo()
        print_rows([dataclasses.asdict(row) for row in found.fields], ("field", "value", "origin"), as_json=False)
