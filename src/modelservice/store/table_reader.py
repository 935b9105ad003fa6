"""Reads tables row by row where it must: a row that cannot be read costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Table, false, select, true
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from modelservice.errors import InvalidValueError
from modelservice.store.sqlite import texts_decoded

# Rows that are fetched at a time: what is made of them takes about a millisecond.
_CHUNK: Final = 50
# What the SQLite driver says of a text. Its class is that of a database that cannot be read.
_NOT_UTF8: Final = "Could not decode to UTF-8"

# Characters of a row's id that a message shows: more than any id of this service has.
_ID_SHOWN: Final = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that cannot be read.

    Attributes:
        table: The table's name.
        id: The row's id, as far as it can be read itself.
        reason: What is wrong. It repeats no value.
    """

    table: str
    id: str
    reason: str


class Rows(Generic[T]):
    """What was read of one table.

    Attributes:
        found: What the rows hold.
        deleted: The ids of rows that are marked as deleted.
        unreadable: The rows that cannot be read.
        ids: The ids of all these rows.
    """

    def __init__(self, table: Table, make: Callable[[Mapping[str, Any]], T]) -> None:
        self._table = table
        self._make = make
        self._id = id_of(table).name
        self.found: list[T] = []
        self.deleted: set[str] = set()
        self.unreadable: list[Unreadable] = []
        self.ids: list[str] = []

    def take(self, row: Mapping[str, Any]) -> None:
        """Takes a row."""
        row_id = row[self._id]
        self.ids.append(row_id)
        if row.get("deleted"):
            self.deleted.add(row_id)
            return
        try:
            self.found.append(self._make(row))
        except MemoryError:
            # Not the row's fault.
            raise
        except Exception as error:  # noqa: BLE001  (a row may hold anything)
            self.unreadable.append(Unreadable(self._table.name, str(row_id), _reason(error)))

    def leave_out(self, row_id: str, reason: str) -> None:
        """Takes a row that not even the database library can read."""
        self.ids.append(row_id)
        self.unreadable.append(Unreadable(self._table.name, str(row_id), reason))


class TableReader:
    """Reads the rows that changed since a revision, a few at a time.

    Args:
        connection: The connection, in a transaction.
        since: The revision; 0 for all rows.
        pause: Called after every few rows.
    """

    def __init__(self, connection: Connection, since: int, pause: Callable[[], None]) -> None:
        self._connection = connection
        self._since = since
        self._pause = pause

    def read(self, table: Table, make: Callable[[Mapping[str, Any]], T], *, without: Sequence[str] = ()) -> Rows[T]:
        """Reads a table.

        Args:
            table: The table.
            make: Makes of a row what it holds.
            without: Columns that are not read.
        """
        columns = [column for column in table.columns if column.name not in without]
        try:
            return self._read_at_once(table, columns, Rows(table, make))
        except Exception as error:
            if not _is_of_a_row(error):
                raise
        return self._read_with_care(table, columns, Rows(table, make))

    def _read_at_once(self, table: Table, columns: Sequence[Any], rows: Rows[T]) -> Rows[T]:
        # All there is does not fit into memory twice. What is new comes at once: a cursor costs three more questions.
        connection = self._connection if self._since else self._connection.execution_options(stream_results=True)
        names = [column.name for column in columns]
        with connection.execute(select(*columns).where(self._changed(table))) as result:
            for chunk in result.partitions(_CHUNK):
                for values in chunk:
                    # Plain: what the library adds to a row is paid a hundred thousand times.
                    rows.take(dict(zip(names, values, strict=True)))
                self._pause()
        return rows

    def _read_with_care(self, table: Table, columns: Sequence[Any], rows: Rows[T]) -> Rows[T]:
        """Reads ids first, then rows by id, so that a row that makes reading fail can be left out."""
        deleted = table.c.get("deleted", false())
        marks = select(id_of(table), deleted).where(self._changed(table))
        with texts_decoded(self._connection, "backslashreplace"):
            found = self._connection.execute(marks).all()
        rows.deleted.update(row_id for row_id, gone in found if gone)
        rows.ids.extend(rows.deleted)
        ids = [row_id for row_id, gone in found if not gone]
        with texts_decoded(self._connection, "strict"):
            for begin in range(0, len(ids), _CHUNK):
                for row in self._readable(table, columns, ids[begin : begin + _CHUNK], rows):
                    rows.take(row)
                self._pause()
        return rows

    def _changed(self, table: Table) -> ColumnElement[bool]:
        if not self._since:
            return true()
        # What has no revision is one itself.
        return table.c.get("revision", id_of(table)) > self._since

    def _readable(
        self, table: Table, columns: Sequence[Any], ids: Sequence[str], rows: Rows[T]
    ) -> list[dict[str, Any]]:
        """Returns those rows that can be read. Halves the ids until each one that cannot is alone."""
        try:
            found = self._connection.execute(select(*columns).where(id_of(table).in_(ids))).all()
        except Exception as error:
            if not _is_of_a_row(error):
                raise
        else:
            # An id that is no text, or NULL, finds nothing.
            if len(found) >= len(ids):
                return [dict(zip((column.name for column in columns), values, strict=True)) for values in found]
        if len(ids) == 1:
            rows.leave_out(ids[0], self._blame(table, columns, ids[0]))
            return []
        half = len(ids) // 2
        return self._readable(table, columns, ids[:half], rows) + self._readable(table, columns, ids[half:], rows)

    def _blame(self, table: Table, columns: Sequence[Any], row_id: str) -> str:
        for column in columns:
            try:
                self._connection.execute(select(column).where(id_of(table) == row_id)).one()
            except Exception as error:
                if isinstance(error, DBAPIError) and not _is_of_a_row(error):
                    raise
                return f"{column.name}: cannot be decoded"
        return "cannot be decoded"


def id_of(table: Table) -> Column[Any]:
    """Returns the column that tells a table's rows apart."""
    (column,) = table.primary_key.columns
    return column


def shown_id(row_id: str) -> str:
    """Returns a row's id as messages show it: visible ASCII, and not long."""
    return ascii(row_id)[1:-1][:_ID_SHOWN]


def _is_of_a_row(error: Exception) -> bool:
    """Says whether an error comes from what a row holds, rather than from the database or the program."""
    if isinstance(error, DBAPIError):
        return str(error.orig).startswith(_NOT_UTF8)
    return not isinstance(error, SQLAlchemyError | MemoryError)


def _reason(error: Exception) -> str:
    # The error's own text may repeat a value.
    if isinstance(error, InvalidValueError) and error.field:
        return f"{error.field}: is invalid"
    return f"cannot be read ({type(error).__name__})"
