"""Prints the result of `modelservice catalogue import`."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import click

from modelservice.cli.changes import counted, print_changes, row, rows_of
from modelservice.cli.output import print_json, print_rows
from modelservice.domain.text import printable
from modelservice.manage.importing.account import Conversion
from modelservice.manage.importing.summary import Summary, shortened, summary
from modelservice.manage.outcome import Outcome

_PROVIDER_COLUMNS: Final = ("provider", "entries", "added", "changed", "unchanged", "left_out")
_FIELD_COLUMNS: Final = ("field", "stated", "guessed", "unknown")
_REASON_COLUMNS: Final = ("what", "field", "entries", "reason", "examples")
# Unmapped fields on a line.
_SHOWN: Final = 6


def print_import(conversion: Conversion, outcome: Outcome, *, dry_run: bool, as_json: bool) -> None:
    """Prints the result of importing another format: changes first, then a summary, which a terminal keeps in view.

    A dry run also has a row for each new model and each entry left out. JSON always has the former.
    """
    made = summary(conversion, outcome)
    rows = rows_of(outcome)
    if as_json:
        content = {
            **made.counts,
            "dry_run": dry_run,
            "providers": made.providers,
            "fields": made.fields,
            "without_place": dict(conversion.without_place.most_common()),
            "findings": [dataclasses.asdict(finding) for finding in made.findings],
            "changes": rows,
        }
        print_json(content)
        return
    if dry_run:
        lost = [finding for finding in made.findings if not finding.field]
        rows += [row(shortened(finding.model), f"{finding.what}: {finding.reason}") for finding in lost]
    else:
        # The summary counts new models.
        rows = [one for one in rows if one["what"] != "added"]
    if rows:
        print_changes(rows)
    _print_summary(made, conversion)
    click.echo(f"\n{_entries(made)}\n{counted(outcome, dry_run=dry_run)}")


def _print_summary(made: Summary, conversion: Conversion) -> None:
    _print("by provider", made.providers, _PROVIDER_COLUMNS)
    _print("by field", made.fields, _FIELD_COLUMNS)
    _print("by reason", made.reasons, _REASON_COLUMNS)
    without = conversion.without_place
    if without:
        most = ", ".join(f"{printable(shortened(name))} ({count})" for name, count in without.most_common(_SHOWN))
        click.echo(f"\nfields of the file without a counterpart: {len(without)}, most often {most}")


def _print(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if rows:
        click.echo(f"\n{title}")
        print_rows(rows, columns, as_json=False)


def _entries(made: Summary) -> str:
    counts = made.counts
    imported = counts["entries"] - counts["left_out"] - counts["not_selected"]
    return (
        f"{counts['entries']} entries: {imported} mapped, {counts['left_out']} left out, "
        f"{counts['not_selected']} not selected"
    )
