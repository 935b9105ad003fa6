"""Checks the file, schema and references of a database, and the rows that servers do not hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Column, Connection, FromClause, Table, false, func, or_, select
from sqlalchemy.exc import DatabaseError

from modelservice.domain.field_kind import Check
from modelservice.domain.layers import Document, Layer, effective_values, exists, in_order
from modelservice.domain.values import check_number, check_text
from modelservice.errors import DatabaseUnavailableError, InvalidValueError
from modelservice.store.database import Database
from modelservice.store.rows import document_of, model_from_row, organization_from_row
from modelservice.store.schema import VERSION_TABLE, require_current
from modelservice.store.sqlite import texts_decoded
from modelservice.store.table_reader import TableReader, id_of, shown_id
from modelservice.store.tables import (
    api_keys,
    audit,
    clients,
    head,
    layers,
    metadata,
    model_states,
    models,
    organizations,
    revisions,
    sources,
)

PROBLEM: Final = "problem"
WARNING: Final = "warning"

# References between tables, besides the revision in every row: of rows to rows that are not deleted.
_REFERENCES: Final[tuple[tuple[Column[Any], FromClause, str], ...]] = (
    (api_keys.c.organization_id, organizations, organizations.name),
    (clients.c.organization_id, organizations, organizations.name),
    (models.c.organization_id, organizations, organizations.name),
    (models.c.parent_id, models.alias("parents"), models.name),
)
# The same of history, which deleted models have, too.
_OF_HISTORY: Final = (model_states.c.model_id, layers.c.model_id)


def _check_object(what: str, value: object) -> None:
    if not isinstance(value, dict):
        raise InvalidValueError(f"{what}: is not a JSON object")


_check_any_text: Final = partial(check_text, shortest=0, longest=10**9)
# Checks of the columns that servers do not read.
_CHECKS: Final[Mapping[Table, Mapping[str, Check]]] = {
    revisions: {"token": partial(check_text, shortest=1, longest=32), "created": check_number},
    audit: {
        "created": check_number,
        **dict.fromkeys(("actor", "action", "subject"), _check_any_text),
        "detail": _check_object,
    },
}


@dataclass(frozen=True, slots=True)
class Issue:
    """A `PROBLEM` or a `WARNING`. Table and id are None if it concerns no single one; the reason repeats no value."""

    severity: str
    table: str | None
    id: str | None
    reason: str


def inspect(database: Database) -> list[Issue]:
    """Checks everything except the rows that servers hold, which `changes.read_changes` reads.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database cannot be read at all.
    """
    issues: list[Issue] = []
    try:
        with database.transaction() as connection:
            require_current(connection, database.name)
            issues += _file(connection)
            schema = list(_schema(connection))
            issues += schema
            # Without all columns, the other queries fail.
            if not any(issue.severity == PROBLEM for issue in schema):
                with texts_decoded(connection, "backslashreplace"):
                    issues += _references(connection)
                    issues += _layers(connection)
                issues += _rows(connection)
    except DatabaseUnavailableError as error:
        if not issues:
            raise
        issues.append(Issue(PROBLEM, None, None, str(error)))
    return issues


def schema_problem(database: Database) -> str | None:
    """Returns why this version cannot use a database's tables, or None if it can."""
    with database.transaction() as connection:
        for issue in _schema(connection):
            if issue.severity == PROBLEM:
                return f"{issue.table}: {issue.reason}" if issue.table else issue.reason
        return None if connection.execute(select(head)).first() else f"{head.name}: is empty"


def count_rows(database: Database) -> dict[str, int]:
    """Returns the number of rows per table, including deleted rows."""
    with database.transaction() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
            if table is not head
        }


def _file(connection: Connection) -> Iterator[Issue]:
    if connection.dialect.name != "sqlite":
        return
    try:
        lines = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    except DatabaseError as error:
        # Too damaged for a report.
        yield Issue(PROBLEM, None, None, f"integrity_check: {error.orig}")
        return
    for line in lines:
        if line != "ok":
            yield Issue(PROBLEM, None, None, f"integrity_check: {' '.join(line.split())}")
    # Only counted here: SQLite reports internal row numbers. `_references` reports ids.
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    for table, target in sorted({(row[0], row[2]) for row in broken}):
        count = sum((row[0], row[2]) == (table, target) for row in broken)
        yield Issue(PROBLEM, table, None, f"foreign_key_check: references to missing rows of {target}: {count}")


def _schema(connection: Connection) -> Iterator[Issue]:
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415  (slow to load)
    from alembic.migration import MigrationContext  # noqa: PLC0415

    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    for difference in compare_metadata(context, metadata):
        # Differences of one column come as a list.
        for one in difference if isinstance(difference, list) else [difference]:
            yield _difference(*one)


def _difference(kind: str, *details: Any) -> Issue:  # noqa: ANN401  (Alembic's tuples)
    action, _, what = kind.partition("_")
    if action == "modify":
        _, table, column, _, found, expected = details
        return Issue(PROBLEM, table, None, f"column {column}: {what} is {found!r}: must be {expected!r}")
    item = details[-1]
    table = item.name if what == "table" else getattr(item, "table", None) is not None and item.table.name
    thing = what if what == "table" else f"{what} {item.name}"
    # Additions are harmless: the next version's schema has some, and an operator may have added an index.
    if action == "add":
        return Issue(PROBLEM, table or None, None, f"{thing} is missing")
    return Issue(WARNING, table or None, None, f"{thing} is not part of this schema")


def _references(connection: Connection) -> Iterator[Issue]:
    for column, target, name in _REFERENCES:
        table = column.table
        query = (
            select(id_of(table), target.c.id)
            .select_from(table.outerjoin(target, column == target.c.id))
            .where(table.c.deleted.is_(false()), column.is_not(None), or_(target.c.id.is_(None), target.c.deleted))
        )
        for row_id, found in connection.execute(query):
            row = f"{'missing' if found is None else 'deleted'} row of {name}"
            yield Issue(PROBLEM, table.name, shown_id(row_id), f"{column.name}: refers to a {row}")
    for column in _OF_HISTORY:
        for (row_id,) in connection.execute(select(column).where(column.not_in(select(models.c.id))).distinct()):
            reason = f"{column.name}: refers to a missing row of {models.name}"
            yield Issue(PROBLEM, str(column.table), shown_id(row_id), reason)
    for table in metadata.sorted_tables:
        if table is not head and "revision" in table.c:
            unknown = table.c.revision.not_in(select(revisions.c.number))
            for (row_id,) in connection.execute(select(id_of(table)).where(unknown)):
                yield Issue(PROBLEM, table.name, shown_id(row_id), "revision: does not exist")
    numbers = connection.execute(select(head.c.revision)).scalars().all()
    if numbers != [connection.execute(select(func.coalesce(func.max(revisions.c.number), 0))).scalar()]:
        yield Issue(PROBLEM, head.name, None, "revision: differs from that of the last write")


def _layers(connection: Connection) -> Iterator[Issue]:
    ranks = {
        row.name: row.rank for row in connection.execute(select(sources).where(sources.c.until_revision.is_(None)))
    }
    stated: dict[str, list[Layer]] = {}
    unreadable = set()
    for row in connection.execute(select(layers)):
        try:
            layer = Layer(row.source, row.guessed, document_of(row.document))
        except InvalidValueError:
            unreadable.add(row.model_id)
            yield Issue(PROBLEM, layers.name, shown_id(row.model_id), "document: is invalid")
        else:
            if row.until_revision is None:
                stated.setdefault(row.model_id, []).append(layer)
    for held in connection.execute(select(models)).mappings():
        try:
            if not held["deleted"]:
                model_from_row(dict(held))
            values = document_of(held["document"])
        except Exception:  # noqa: BLE001, S112  (servers leave it out: `changes.read_changes` finds it, with the reason)
            continue
        found = in_order(stated.get(held["id"], ()), ranks)
        if held["id"] not in unreadable and not _agrees(held, values, found):
            yield Issue(PROBLEM, models.name, shown_id(held["id"]), "values: differ from what its sources state")


def _agrees(row: Mapping[Any, Any], values: Document, stated: Sequence[Layer]) -> bool:
    """Whether a row of `models` holds what the model's layers state."""
    if row["deleted"] or not exists(stated):
        return row["deleted"] and not exists(stated) and not values
    try:
        return values == effective_values(row["name"], stated, is_system=row["organization_id"] is None)
    except (TypeError, AttributeError, KeyError):
        # A statement that no command writes.
        return False


def _rows(connection: Connection) -> Iterator[Issue]:
    reader = TableReader(connection, 0, lambda: None)
    unreadable = list(reader.read(organizations, organization_from_row).unreadable)
    for table, checks in _CHECKS.items():
        others = {column.name for column in table.columns} - {id_of(table).name, "deleted", *checks}
        unreadable += reader.read(table, partial(_check, checks), without=others).unreadable
    for row in unreadable:
        yield Issue(PROBLEM, row.table, shown_id(row.id), row.reason)


def _check(checks: Mapping[str, Check], row: Mapping[str, Any]) -> None:
    for column, check in checks.items():
        try:
            check(column, row[column])
        except InvalidValueError as error:
            raise InvalidValueError(str(error), column) from None
