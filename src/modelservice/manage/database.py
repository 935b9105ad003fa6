"""The database itself."""

from __future__ import annotations

from modelservice.store import schema
from modelservice.store.database import Access, Database


def migrate(database_url: str) -> None:
    """Makes the database, or brings it to this version's schema. One that is so already stays as it is.

    Raises:
        SchemaMismatchError: It holds something else, or a newer version's schema. It was not touched.
        DatabaseUnavailableError: It cannot be reached, or refuses.
    """
    schema.migrate(Database(database_url, Access.CREATE))
