"""`modelservice catalogue`."""

from __future__ import annotations

import json
import os
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import click
import yaml

from modelservice import config
from modelservice.cli.options import actor_option
from modelservice.cli.output import json_option, print_rows, tracked
from modelservice.manage.catalogue import (
    FILE,
    UPDATED,
    ImportReport,
    export_catalogue,
    import_catalogue,
    list_catalogue,
)
from modelservice.manage.catalogue_file import read_file


@click.group()
def catalogue() -> None:
    """Manage the catalogue of system models as a file."""


def _source(_: click.Context, __: click.Parameter, value: str) -> str:
    if value == UPDATED:
        raise click.BadParameter(f"{value!r} stands for what `models update` said")
    return value


@catalogue.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--source", default=FILE, show_default=True, callback=_source, help="Names the file, for good.")
@click.option("--prune", is_flag=True, help="Remove what this source brought once, and brings no more.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@actor_option
@json_option
def import_(file: Path, source: str, actor: str, *, prune: bool, dry_run: bool, as_json: bool) -> None:
    """Import FILE (YAML or JSON): all of it or, on any error, nothing."""
    url = config.load(os.environ).database_url
    entries = tracked(read_file(file), "importing")
    report = import_catalogue(url, actor, entries, source=source, prune=prune, dry_run=dry_run)
    rows = _rows(report)
    if rows or as_json:
        print_rows(rows, ("model", "what", "field", "before", "after"), as_json=as_json)
    if not as_json:
        done = "would be " if dry_run else ""
        click.echo(
            f"{done}added {len(report.added)}, changed {len(report.changed)}, unchanged {len(report.unchanged)}, "
            f"removed {len(report.removed)}, disabled {len(report.disabled)}, values not taken {len(report.not_taken)}"
        )


@catalogue.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, rather than YAML.")
def export(*, as_json: bool) -> None:
    """Print the catalogue as a file that `import` takes."""
    content = {"models": export_catalogue(config.load(os.environ).database_url)}
    if as_json:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        yaml.safe_dump(content, sys.stdout, sort_keys=False, allow_unicode=True, width=120)


@catalogue.command()
@json_option
def show(*, as_json: bool) -> None:
    """List the system models, and who brought each."""
    rows = [
        {
            "name": item.model.name,
            "provider": item.model.provider,
            "context_window": item.model.context_window,
            "cost_per_1k_tokens": item.model.cost_per_1k_tokens,
            "enabled": item.model.enabled,
            "source": item.source,
            "updated_fields": sorted(name for name, source in item.sources.items() if source == UPDATED),
        }
        for item in list_catalogue(config.load(os.environ).database_url)
    ]
    columns = ("name", "provider", "context_window", "cost_per_1k_tokens", "enabled", "source", "updated_fields")
    print_rows(rows, columns, as_json=as_json)


@catalogue.command()
def schema() -> None:
    """Print the JSON Schema of a catalogue file."""
    click.echo((resources.files("modelservice.manage") / "catalogue.schema.json").read_text(encoding="utf-8"), nl=False)


def _rows(report: ImportReport) -> list[dict[str, Any]]:
    def row(model: str, what: str, field: str = "", before: object = None, after: object = None) -> dict[str, Any]:
        return {"model": model, "what": what, "field": field, "before": before, "after": after}

    rows = [row(name, "added") for name in report.added]
    for name, fields in report.changed.items():
        rows += [row(name, "changed", field, before, after) for field, (before, after) in fields.items()]
    rows += [row(name, "removed") for name in report.removed]
    rows += [row(name, "disabled: organizations' models inherit from it") for name in report.disabled]
    for item in report.not_taken:
        rows.append(row(item.model, f"not taken: {item.source} said otherwise", item.field, item.kept, item.value))
    return rows
