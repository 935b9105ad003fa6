"""Reads tables so that an unreadable row costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Table, false, select, true
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from modelservice.errors import InvalidValueError
from modelservice.store.sqlite import texts_decoded

# Rows per fetch. Converting them takes about a millisecond.
_CHUNK: Final = 50
# The SQLite driver's message for bad text. Its class, OperationalError, is that of an unreadable database.
_NOT_UTF8: Final = "Could not decode to UTF-8"
# Longest part of a row's id in messages: longer than any valid id.
_ID_SHOWN: Final = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that cannot be read; `reason` repeats no value."""

    table: str
    id: str
    reason: str


class Rows(Generic[T]):
    """The rows read from one table.

    Attributes:
        found: The objects made of the rows.
        deleted: The ids of rows marked as deleted.
        unreadable: The rows that cannot be read.
        ids: The ids of all these rows.
    """

    def __init__(self, table: Table, make: Callable[[Mapping[str, Any]], T]) -> None:
        self._table = table
        self._make = make
        self._id = id_of(table).name
        self.found: list[T] = []
        self.deleted: set[str] = set()
        self.unreadable: list[UnreadableRow] = []
        self.ids: list[str] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Adds a row."""
        row_id = row[self._id]
        if row.get("deleted"):
            self.add_deleted([row_id])
            return
        try:
            item = self._make(row)
        except MemoryError:
            # Not the row's fault.
            raise
        except Exception as error:  # noqa: BLE001  (a row may hold anything)
            self.leave_out(row_id, _reason(error))
        else:
            self.ids.append(row_id)
            self.found.append(item)

    def add_deleted(self, ids: Collection[str]) -> None:
        """Adds rows marked as deleted."""
        self.ids.extend(ids)
        self.deleted.update(ids)

    def leave_out(self, row_id: str, reason: str) -> None:
        """Adds a row that cannot be read."""
        self.ids.append(row_id)
        self.unreadable.append(UnreadableRow(self._table.name, str(row_id), reason))


class TableReader:
    """Reads the rows that changed since a revision (0: all rows), and calls `pause` after every few."""

    def __init__(self, connection: Connection, since: int, pause: Callable[[], None]) -> None:
        self._connection = connection
        self._since = since
        self._pause = pause

    def read(self, table: Table, make: Callable[[Mapping[str, Any]], T], *, without: Collection[str] = ()) -> Rows[T]:
        """Reads a table except the columns `without`, and converts each row with `make`."""
        columns = [column for column in table.columns if column.name not in without]
        try:
            return self._read_at_once(table, columns, Rows(table, make))
        except Exception as error:
            if not _is_of_a_row(error):
                raise
        return self._read_with_care(table, columns, Rows(table, make))

    def _read_at_once(self, table: Table, columns: Sequence[Any], rows: Rows[T]) -> Rows[T]:
        # Whole tables are streamed, because they do not fit into memory twice. Changes are not: a cursor costs three
        # more round trips.
        connection = self._connection if self._since else self._connection.execution_options(stream_results=True)
        names = [column.name for column in columns]
        with connection.execute(select(*columns).where(self._changed(table))) as result:
            for chunk in result.partitions(_CHUNK):
                for values in chunk:
                    # A plain dict: SQLAlchemy's mapping is slower, and there are a hundred thousand rows.
                    rows.add(dict(zip(names, values, strict=True)))
                self._pause()
        return rows

    def _read_with_care(self, table: Table, columns: Sequence[Any], rows: Rows[T]) -> Rows[T]:
        """Reads ids first, then rows by id, so that a row that makes the query fail can be left out."""
        deleted = table.c.get("deleted", false())
        marks = select(id_of(table), deleted).where(self._changed(table))
        with texts_decoded(self._connection, "backslashreplace"):
            found = self._connection.execute(marks).all()
        rows.add_deleted([row_id for row_id, gone in found if gone])
        ids = [row_id for row_id, gone in found if not gone]
        with texts_decoded(self._connection, "strict"):
            for begin in range(0, len(ids), _CHUNK):
                for row in self._readable(table, columns, ids[begin : begin + _CHUNK], rows):
                    rows.add(row)
                self._pause()
        return rows

    def _changed(self, table: Table) -> ColumnElement[bool]:
        if not self._since:
            return true()
        # A table without this column is `revisions` itself.
        return table.c.get("revision", id_of(table)) > self._since

    def _readable(
        self, table: Table, columns: Sequence[Any], ids: Sequence[str], rows: Rows[T]
    ) -> list[dict[str, Any]]:
        """Returns the readable rows. Halves the ids until each unreadable row is alone."""
        try:
            found = self._connection.execute(select(*columns).where(id_of(table).in_(ids))).all()
        except Exception as error:
            if not _is_of_a_row(error):
                raise
        else:
            # An id that is NULL or not text matches no row.
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
    """Returns the primary key of a table."""
    (column,) = table.primary_key.columns
    return column


def shown_id(row_id: str) -> str:
    """Returns a row's id for messages, as short visible ASCII."""
    return ascii(row_id)[1:-1][:_ID_SHOWN]


def _is_of_a_row(error: Exception) -> bool:
    """Whether an error comes from a row's contents, rather than from the database or the program."""
    if isinstance(error, DBAPIError):
        return str(error.orig).startswith(_NOT_UTF8)
    return not isinstance(error, SQLAlchemyError | MemoryError)


def _reason(error: Exception) -> str:
    # The error's text may repeat a value.
    if isinstance(error, InvalidValueError) and error.field:
        return f"{error.field}: is invalid"
    return f"cannot be read ({type(error).__name__})"
