"""`modelservice explain` and `audit`."""

from __future__ import annotations

import dataclasses
import time

import click

from modelservice.cli.options import Duration, database_url
from modelservice.cli.output import json_option, print_json, print_rows, time_text
from modelservice.domain.text import printable
from modelservice.manage.auditing import list_audit
from modelservice.manage.explain import explain as explain_model


@click.command()
@click.argument("model")
@click.option("--organization", help="Explain what callers of this organization see. Default: callers of none.")
@click.option("--key-id", help="Explain what callers with this key see.")
@json_option
def explain(model: str, organization: str | None, key_id: str | None, *, as_json: bool) -> None:
    """Show whether a caller sees MODEL, by which rule, and where each of its values comes from."""
    if organization and key_id:
        raise click.UsageError("--organization or --key-id, not both")
    found = explain_model(database_url(), model, organization_id=organization, key_id=key_id)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    click.echo(f"{'visible' if found.visible else 'not visible'}: {printable(found.rule)}")
    if found.fields:
        click.echo()
        print_rows([dataclasses.asdict(row) for row in found.fields], ("field", "value", "origin"), as_json=False)


@click.command()
@click.option("--since", type=Duration(), help="How far to look back, such as 7d. Default: everything.")
@json_option
def audit(since: int | None, *, as_json: bool) -> None:
    """Show who changed what: one row for each write, oldest first."""
    begin = 0 if since is None else int(time.time()) - since
    rows = [row._asdict() | {"time": time_text(row.created)} for row in list_audit(database_url(), begin)]
    print_rows(rows, ("revision", "time", "actor", "action", "subject", "detail"), as_json=as_json)
