"""Says whether a database is sound: nothing in it is changed."""

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
from modelservice.store.changes import ORGANIZATION_MODELS, read_changes
from modelservice.store.checking import PROBLEM, WARNING, Issue, count_rows, inspect
from modelservice.store.database import Database
from modelservice.store.table_reader import shown_id


@dataclass(frozen=True, slots=True)
class Report:
    """What a check came to.

    Attributes:
        findings: What is wrong, problems first.
        rows: How many rows each table has; empty where there are problems.
    """

    findings: tuple[Issue, ...]
    rows: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Whether there is no problem. Warnings are none."""
        return not any(finding.severity == PROBLEM for finding in self.findings)


def check_database(database_url: str, secrets: Iterable[Path] = (), trusted: Iterable[Path] = ()) -> Report:
    """Checks schema, file and references, and reads and renders every row, as a server does that starts.

    Args:
        database_url: The database.
        secrets: Files that nobody else may read: private keys, and files that hold settings.
        trusted: Files that nobody else may write: certificates, say.

    Raises:
        DatabaseUnavailableError: The database cannot be read at all.
    """
    report = _check(Database(database_url, Access.READ))
    exposures = exposed(database_files(database_url), secrets, trusted)
    warnings = tuple(Issue(WARNING, None, None, f"{path}: {sentence}") for path, sentence in exposures)
    return Report(report.findings + warnings, report.rows)


def _check(database: Database) -> Report:
    try:
        findings = inspect(database)
    except SchemaMismatchError as error:
        # That of another version: what else is wrong, that version says.
        return Report((Issue(PROBLEM, None, None, str(error)),), {})
    try:
        findings += _unusable_rows(database, findings)
    except ModelserviceError:
        # Where the schema or the file is broken, that has been said.
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
        except Exception as error:  # noqa: BLE001  (one model must not end the check of the others)
            yield (ORGANIZATION_MODELS, str(model.id)), f"cannot be rendered ({type(error).__name__})"
