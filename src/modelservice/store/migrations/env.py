"""Alembic's entry point: runs the migrations on the connection from `store.schema`."""

from alembic import context

from modelservice.store.schema import VERSION_TABLE
from modelservice.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # The caller's transaction includes DDL: SQLite rolls it back too, once a transaction has begun explicitly.
    transactional_ddl=True,
)
context.run_migrations()
