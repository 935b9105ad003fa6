"""`modelservice catalogue`."""

from __future__ import annotations

import json
import os
import sys
from importlib import resources
from pathlib import Path
from typing import Final

import click
import yaml

from modelservice import config
from modelservice.cli.catalogue_import import CHANGE_COLUMNS, changes, counted, print_import
from modelservice.cli.options import actor_option
from modelservice.cli.output import json_option, print_json, print_rows, tracked
from modelservice.domain.text import is_printable
from modelservice.manage.catalogue_file import read_file
from modelservice.manage.importing import formats
from modelservice.manage.importing.account import Selection
from modelservice.manage.system_catalogue import (
    FILE,
    UPDATED,
    export_catalogue,
    import_catalogue,
    list_catalogue,
)

OWN: Final = "modelservice"


@click.group()
def catalogue() -> None:
    """Manage the catalogue of system models as a file."""


def _source(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value == UPDATED:
        raise click.BadParameter(f"{value!r} stands for what `models update` said")
    return value


@catalogue.command("import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--format",
    "form",
    type=click.Choice([OWN, *formats.NAMES]),
    default=OWN,
    show_default=True,
    help="Whose file it is: our own, LiteLLM's, or models.dev's (api.json, or a checkout).",
)
@click.option("--provider", "providers", multiple=True, help="Repeatable: of somebody else's file, these alone.")
@click.option("--match", "patterns", multiple=True, metavar="GLOB", help="Repeatable: and what has such an id.")
@click.option("--source", callback=_source, show_default="file, or the format's name", help="Names the file, for good.")
@click.option("--prune", is_flag=True, help="Remove what this source brought once, and brings no more.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@actor_option
@json_option
def import_(  # noqa: PLR0913  (an option each)
    path: Path,
    form: str,
    providers: tuple[str, ...],
    patterns: tuple[str, ...],
    source: str | None,
    actor: str,
    *,
    prune: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import FILE: all of it or, on any error, nothing. Of somebody else's, all that can be a model."""
    url = config.load(os.environ).database_url
    selection = Selection(providers, patterns)
    if form != OWN:
        if prune and selection:
            raise click.UsageError(
                "--prune takes the whole file: it would remove what --provider and --match leave out"
            )
        conversion = formats.read(path, form, selection, lambda found: tracked(found, "reading"))
        entries = tracked(conversion.entries, "importing")
        report = import_catalogue(
            url, actor, entries, source=source or form, prune=prune, dry_run=dry_run, leave_held=True
        )
        print_import(conversion, report, dry_run=dry_run, as_json=as_json)
        return
    if selection:
        raise click.UsageError("--provider and --match select from somebody else's file: --format names whose")
    entries = tracked(read_file(path), "importing")
    report = import_catalogue(url, actor, entries, source=source or FILE, prune=prune, dry_run=dry_run)
    rows = changes(report)
    if rows or as_json:
        print_rows(rows, CHANGE_COLUMNS, as_json=as_json)
    if not as_json:
        click.echo(counted(report, dry_run=dry_run))


@catalogue.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, rather than YAML.")
def export(*, as_json: bool) -> None:
    """Print the catalogue as a file that `import` takes."""
    content = {"models": export_catalogue(config.load(os.environ).database_url)}
    if as_json:
        print_json(content)
        return
    # YAML shows bidirectional characters as they are, unless it escapes all that is not ASCII.
    plain = is_printable(json.dumps(content, ensure_ascii=False))
    yaml.safe_dump(content, sys.stdout, sort_keys=False, allow_unicode=plain, width=120)


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
