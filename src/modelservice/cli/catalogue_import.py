"""Prints the result of `modelservice catalogue import`."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import click

from modelservice.cli.output import print_json, print_rows
from modelservice.domain.text import printable
from modelservice.manage.importing.account import Conversion
from modelservice.manage.importing.summary import Summary, shortened, summary
from modelservice.manage.system_catalogue import ImportReport

CHANGE_COLUMNS: Final = ("model", "what", "field", "before", "after")
_PROVIDER_COLUMNS: Final = ("provider", "entries", "added", "changed", "unchanged", "left_out")
_FIELD_COLUMNS: Final = ("field", "stated", "guessed", "unknown")
_REASON_COLUMNS: Final = ("what", "field", "entries", "reason", "examples")
_ADDED: Final = "added"
# Unmapped fields on a line.
_SHOWN: Final = 6


def changes(report: ImportReport) -> list[dict[str, Any]]:
    """Returns a row for each model added, removed or disabled, and for each value changed or overridden."""
    rows = [_row(name, _ADDED) for name in report.added]
    for name, fields in report.changed.items():
        rows += [_row(name, "changed", field, before, after) for field, (before, after) in fields.items()]
    rows += [_row(name, "removed") for name in report.removed]
    rows += [_row(name, "disabled: organizations' models inherit from it") for name in report.disabled]
    for item in report.not_taken:
        rows.append(_row(item.model, f"not taken: {item.source} overrides it", item.field, item.kept, item.value))
    return rows


def counted(report: ImportReport, *, dry_run: bool) -> str:
    """Returns how many models were, or would be, changed in each way."""
    done = "would be " if dry_run else ""
    return (
        f"{done}added {len(report.added)}, changed {len(report.changed)}, unchanged {len(report.unchanged)}, "
        f"removed {len(report.removed)}, disabled {len(report.disabled)}, values not taken {len(report.not_taken)}"
    )


def print_import(conversion: Conversion, report: ImportReport, *, dry_run: bool, as_json: bool) -> None:
    """Prints the result of importing another format: changes first, then a summary, which a terminal keeps in view.

    A dry run also has a row for each new model and each entry left out. JSON always has the former.
    """
    made = summary(conversion, report)
    rows = changes(report)
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
        rows += [_row(shortened(finding.model), f"{finding.what}: {finding.reason}") for finding in lost]
    else:
        # The summary counts new models.
        rows = [row for row in rows if row["what"] != _ADDED]
    _print("", rows, CHANGE_COLUMNS)
    _print_summary(made, conversion)
    click.echo(f"\n{_entries(made)}\n{counted(report, dry_run=dry_run)}")


def _row(model: str, what: str, field: str = "", before: object = None, after: object = None) -> dict[str, Any]:
    return {"model": model, "what": what, "field": field, "before": before, "after": after}


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
        click.echo(f"\n{title}" if title else "", nl=bool(title))
        print_rows(rows, columns, as_json=False)


def _entries(made: Summary) -> str:
    counts = made.counts
    imported = counts["added"] + counts["changed"] + counts["unchanged"]
    return (
        f"{counts['entries']} entries: {imported} mapped, {counts['left_out']} left out, "
        f"{counts['not_selected']} not selected"
    )
