"""`modelservice catalogue`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Final

import click
import yaml

from modelservice import config
from modelservice.cli.catalogue_import import print_import
from modelservice.cli.changes import dry_run_option, print_outcome, yes_option
from modelservice.cli.options import Moment, actor_option, database_url
from modelservice.cli.output import json_option, note, print_json, print_rows, tracked
from modelservice.domain.layers import MANUAL, MARKS
from modelservice.domain.text import is_printable
from modelservice.manage.catalogue_file import STANDARD_INPUT, read_file, source_of
from modelservice.manage.history import resolve
from modelservice.manage.importing import formats
from modelservice.manage.importing.account import Selection
from modelservice.manage.system_catalogue import Part, export_catalogue, import_parts, list_catalogue

OWN: Final = "modelservice"
# The exit status of --fail-on-shadowed.
SHADOWED: Final = 3


@click.group()
def catalogue() -> None:
    """Manage the catalogue of system models as a file."""


@catalogue.command("import")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
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
    show_default="the file's name, or the format's",
    help="Source that states the values. Reuse it when you import the file again.",
)
@click.option("--prune", is_flag=True, help="Withdraw what the source states about models that FILE does not contain.")
@click.option("--fail-on-shadowed", is_flag=True, help="Exit with 3, and change nothing, if a value does not count.")
@dry_run_option
@yes_option
@actor_option
@json_option
def import_(  # noqa: PLR0913  (an option each)
    paths: tuple[Path, ...],
    form: str,
    providers: tuple[str, ...],
    patterns: tuple[str, ...],
    source: str | None,
    actor: str,
    *,
    prune: bool,
    fail_on_shadowed: bool,
    dry_run: bool,
    confirmed: bool,
    as_json: bool,
) -> None:
    """Import each FILE: all of them or, on any error, none. `-` is standard input.

    Of LiteLLM's and models.dev's files, unusable entries are left out.
    """
    settings, selection = config.load(os.environ), Selection(providers, patterns)
    run = partial(
        import_parts,
        settings.database_url,
        actor,
        prune=prune,
        dry_run=dry_run,
        confirmed=confirmed,
        refuse_shadowed=fail_on_shadowed,
        history_days=settings.history_days,
    )
    if form == OWN:
        if selection:
            raise click.UsageError("--provider and --match need --format: they do not select from our own format")
        outcome = run(_parts(paths, source))
        is_refused = fail_on_shadowed and bool(outcome.shadowed)
        print_outcome(outcome, dry_run=dry_run or is_refused, as_json=as_json)
    else:
        if prune and selection:
            raise click.UsageError(
                "--prune needs the whole file: it would remove what --provider and --match leave out"
            )
        if len(paths) > 1 or paths[0] == STANDARD_INPUT:
            raise click.UsageError(f"--format {form} takes one file")
        conversion = formats.read(paths[0], form, selection, lambda found: tracked(found, "reading"))
        entries = tracked(conversion.entries, "importing")
        outcome = run([Part(form if source is None else source, entries)], guesses=True, leave_held=True)
        is_refused = fail_on_shadowed and bool(outcome.shadowed)
        print_import(conversion, outcome, dry_run=dry_run or is_refused, as_json=as_json)
    if is_refused:
        if not as_json:
            note(f"values shadowed {len(outcome.shadowed)}: nothing was changed")
        click.get_current_context().exit(SHADOWED)


def _parts(paths: Sequence[Path], source: str | None) -> list[Part]:
    """Returns what files state: each is a source of its own, unless one is named for all of them."""
    if paths.count(STANDARD_INPUT) > 1:
        raise click.UsageError("standard input can be read only once")
    names = [source_of(path) for path in paths]
    for name in names:
        if names.count(name) > 1 and source is None:
            raise click.UsageError(f"two files are called {name}: --source names one source for all files")
    found = [(path, read_file(path)) for path in paths]
    if source is not None:
        if len({one.revision for _, one in found}) > 1:
            raise click.UsageError("--source takes several files only if they were exported at the same revision")
        entries = [entry for _, one in found for entry in one.entries]
        return [Part(source, tracked(entries, "importing"), found[0][1].revision)]
    return [
        Part(name, tracked(one.entries, "importing"), one.revision) for name, (_, one) in zip(names, found, strict=True)
    ]


@catalogue.command()
@click.option("--as-of", "moment", type=Moment(), help="Export the catalogue as it was at a revision or a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
def export(moment: int | str | None, *, as_json: bool) -> None:
    """Print the catalogue as a file that `import` reads."""
    url = database_url()
    found = export_catalogue(url, None if moment is None else resolve(url, moment))
    content = {"revision": found.revision, "models": found.models}
    if as_json:
        print_json(content)
        return
    # PyYAML escapes bidirectional characters only if it escapes everything beyond ASCII.
    plain = is_printable(json.dumps(content, ensure_ascii=False))
    yaml.safe_dump(content, sys.stdout, sort_keys=False, allow_unicode=plain, width=120)


@catalogue.command()
@json_option
def show(*, as_json: bool) -> None:
    """List the system models with the sources of each."""
    rows = [
        {
            "name": record.name,
            "provider": record.document.get("provider"),
            "context_window": record.document.get("context_window", 0),
            "cost_per_1k_tokens": record.document.get("cost_per_1k_tokens"),
            "enabled": record.document.get("enabled", True),
            "sources": [layer.title for layer in layers],
            "updated_fields": sorted(
                name for layer in layers if layer.source == MANUAL for name in layer.document if name not in MARKS
            ),
        }
        for record, layers in list_catalogue(database_url())
    ]
    columns = ("name", "provider", "context_window", "cost_per_1k_tokens", "enabled", "sources", "updated_fields")
    print_rows(rows, columns, as_json=as_json)


@catalogue.command()
def schema() -> None:
    """Print the JSON Schema of a catalogue file."""
    click.echo((resources.files("modelservice.manage") / "catalogue.schema.json").read_text(encoding="utf-8"), nl=False)
