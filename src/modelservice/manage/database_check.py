"""Checks a database without changing it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelservice.catalogue.render_cache import RenderedCache
from modelservice.catalogue.rendering import render_entry
from modelservice.catalogue.snapshot import Snapshot, advance
from modelservice.domain.inheritance import inherit
from modelservice.errors import ModelserviceError, SchemaMismatchError
from modelservice.manage.permissions import database_files, exposed
from modelservice.store.access import Access
from modelservice.store.changes import MODELS, read_changes
from modelservice.store.checking import PROBLEM, WARNING, Issue, count_rows, inspect
from modelservice.store.database import Database
from modelservice.store.table_reader import shown_id


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check.

    Attributes:
        findings: Problems, then warnings.
        rows: Number of rows of each table; empty if there are problems.
    """

    findings: tuple[Issue, ...]
    rows: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Whether there is no problem. Warnings do not count."""
        return not any(finding.severity == PROBLEM for finding in self.findings)


def check_database(database_url: str, secrets: Iterable[Path] = (), trusted: Iterable[Path] = ()) -> Report:
    """Checks schema, file and references, and reads and renders every row, as a server does when it starts.

    Args:
        database_url: The database.
        secrets: Files that other users must not read, such as private keys.
        trusted: Files that other users must not write, such as certificates.
    """
    report = _check(Database(database_url, Access.READ))
    exposures = exposed(database_files(database_url), secrets, trusted)
    warnings = tuple(Issue(WARNING, None, None, f"{path}: {sentence}") for path, sentence in exposures)
    return Report(report.findings + warnings, report.rows)


def _check(database: Database) -> Report:
    try:
        findings = inspect(database)
    except SchemaMismatchError as error:
        # Only the version with that schema can check the rest.
        return Report((Issue(PROBLEM, None, None, str(error)),), {})
    try:
        findings += _unusable_rows(database, findings)
    except ModelserviceError:
        # A broken schema or file is already among the findings.
        if not findings:
            raise
    rows = {} if any(finding.severity == PROBLEM for finding in findings) else count_rows(database)
    return Report(tuple(sorted(findings, key=lambda finding: finding.severity)), rows)


def _unusable_rows(database: Database, known: list[Issue]) -> list[Issue]:
    changes = read_changes(database, None)
    if changes is None:
        return []
    snapshot = advance(None, changes, RenderedCache())
    named = {(finding.table, finding.id) for finding in known}
    left_out = {(table, shown_id(row_id)): reason for (table, row_id), reason in snapshot.left_out.items()}
    found = {**left_out, **dict(_unrenderable(snapshot))}
    return [Issue(PROBLEM, *row, reason) for row, reason in found.items() if row not in named]


def _unrenderable(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], str]]:
    for model in snapshot.records.values():
        parent = snapshot.entries.get(model.parent_id)
        try:
            if parent:
                render_entry(inherit(model, parent.model))
        except Exception as error:  # noqa: BLE001  (one model must not stop the check of others)
            yield (MODELS, str(model.id)), f"cannot be rendered ({type(error).__name__})"
