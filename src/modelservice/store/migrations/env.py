"""Alembic's entry point: runs the migrations on the connection that `store.schema` hands over."""

from alembic import context

from modelservice.store.schema import VERSION_TABLE
from modelservice.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # The caller's transaction holds it all; SQLite rolls tables back too, once it has been told to begin.
    transactional_ddl=True,
)
context.run_migrations()
