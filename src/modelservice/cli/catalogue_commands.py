"""`modelservice catalogue`."""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from typing import Final

import click
import yaml

from modelservice.cli.catalogue_import import CHANGE_COLUMNS, changes, counted, print_import
from modelservice.cli.options import actor_option, database_url
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
        raise click.BadParameter(f"{value!r} is reserved for `models update`")
    return value


@catalogue.command("import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--format",
    "form",
    type=click.Choice([OWN, *formats.NAMES]),
    default=OWN,
    show_default=True,
    help="Format of FILE: our own, LiteLLM's, or models.dev's (api.json, or a checkout).",
)
@click.option(
    "--provider",
    "providers",
    multiple=True,
    help="Import only this provider's models. Repeatable. Not for our own format.",
)
@click.option(
    "--match",
    "patterns",
    multiple=True,
    metavar="GLOB",
    help="Import only models with a matching id. Repeatable. Not for our own format.",
)
@click.option(
    "--source",
    callback=_source,
    show_default="file, or the format's name",
    help="Source name recorded with each value. Reuse it when you import the file again.",
)
@click.option("--prune", is_flag=True, help="Remove models that this source added and no longer contains.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
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
    """Import FILE. On any error nothing changes. Of LiteLLM's and models.dev's files, unusable entries are left out."""
    url, selection = database_url(), Selection(providers, patterns)
    if form != OWN:
        if prune and selection:
            raise click.UsageError(
                "--prune needs the whole file: it would remove what --provider and --match leave out"
            )
        conversion = formats.read(path, form, selection, lambda found: tracked(found, "reading"))
        entries = tracked(conversion.entries, "importing")
        report = import_catalogue(
            url, actor, entries, source=source or form, prune=prune, dry_run=dry_run, leave_held=True
        )
        print_import(conversion, report, dry_run=dry_run, as_json=as_json)
        return
    if selection:
        raise click.UsageError("--provider and --match need --format: they do not select from our own format")
    entries = tracked(read_file(path), "importing")
    report = import_catalogue(url, actor, entries, source=source or FILE, prune=prune, dry_run=dry_run)
    rows = changes(report)
    if rows or as_json:
        print_rows(rows, CHANGE_COLUMNS, as_json=as_json)
    if not as_json:
        click.echo(counted(report, dry_run=dry_run))


@catalogue.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
def export(*, as_json: bool) -> None:
    """Print the catalogue as a file that `import` reads."""
    content = {"models": export_catalogue(database_url())}
    if as_json:
        print_json(content)
        return
    # PyYAML escapes bidirectional characters only if it escapes everything beyond ASCII.
    plain = is_printable(json.dumps(content, ensure_ascii=False))
    yaml.safe_dump(content, sys.stdout, sort_keys=False, allow_unicode=plain, width=120)


@catalogue.command()
@json_option
def show(*, as_json: bool) -> None:
    """List the system models with the source of each."""
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
        for item in list_catalogue(database_url())
    ]
    columns = ("name", "provider", "context_window", "cost_per_1k_tokens", "enabled", "source", "updated_fields")
    print_rows(rows, columns, as_json=as_json)


@catalogue.command()
def schema() -> None:
    """Print the JSON Schema of a catalogue file."""
    click.echo((resources.files("modelservice.manage") / "catalogue.schema.json").read_text(encoding="utf-8"), nl=False)
