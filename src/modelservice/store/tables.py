"""The tables. Times are whole Unix seconds: the same on every database, and the precision of both documents.

Every row that servers hold in memory carries the revision that last changed it, so that servers can query what changed
since a revision. For the same reason rows are never deleted: they are marked, their contents blanked, and their names
freed.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _key(length: int) -> String:
    """Returns the type of ids and names: compared and ordered by their bytes on every database."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


# One row, which every write locks first and until it commits, so that revisions become visible in order.
head = Table(
    "head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    # The first revision whose whole state is in the history of models.
    Column("history_from", BigInteger, nullable=False, server_default="0"),
)

# One row per write. `token` is random, so that a restored backup differs when its numbers grow again.
revisions = Table(
    "revisions",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("token", String(32), nullable=False),
    Column("created", BigInteger, nullable=False),
)

# One row per write: who did what. Append-only.
audit = Table(
    "audit",
    metadata,
    Column("revision", BigInteger, ForeignKey(revisions.c.number), primary_key=True, autoincrement=False),
    Column("created", BigInteger, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSON, nullable=False),
)

organizations = Table(
    "organizations",
    metadata,
    Column("id", _key(128), primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Column("revision", BigInteger, ForeignKey(revisions.c.number), nullable=False, index=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", _key(32), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("organization_id", _key(128), ForeignKey(organizations.c.id), index=True),
    Column("name", String(200), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Column("revision", BigInteger, ForeignKey(revisions.c.number), nullable=False, index=True),
)

# Machines that authenticate with tokens, and the organization that each reads for.
clients = Table(
    "clients",
    metadata,
    Column("id", _key(255), primary_key=True),
    Column("organization_id", _key(128), ForeignKey(organizations.c.id), nullable=False, index=True),
    Column("created", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Column("revision", BigInteger, ForeignKey(revisions.c.number), nullable=False, index=True),
)

# What servers load: one row per model, with the values that count. A deleted model keeps its row, and its UUID.
models = Table(
    "models",
    metadata,
    Column("id", _key(36), primary_key=True),
    # NULL in a system model.
    Column("organization_id", _key(128), ForeignKey(organizations.c.id)),
    Column("parent_id", _key(36), ForeignKey("models.id"), index=True),
    Column("name", _key(256), nullable=False),
    Column("position", BigInteger, nullable=False),
    # When it was first stored, and when it last changed.
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    # JSON, as text: every database keeps it as written. Of an organization's model, what it does not inherit.
    Column("document", Text, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Column("revision", BigInteger, ForeignKey(revisions.c.number), nullable=False, index=True),
)
_is_live = models.c.deleted.is_(false())
_is_system = models.c.organization_id.is_(None)
Index(
    "uq_models_system_name",
    models.c.name,
    unique=True,
    sqlite_where=_is_live & _is_system,
    postgresql_where=_is_live & _is_system,
)
Index(
    "uq_models_organization_id_name",
    models.c.organization_id,
    models.c.name,
    unique=True,
    sqlite_where=_is_live,
    postgresql_where=_is_live,
)

# Below, rows are never changed but for their end: each holds in the revisions from one until before another.
# A model's name over time, and whether it was deleted.
model_states = Table(
    "model_states",
    metadata,
    Column("model_id", _key(36), ForeignKey(models.c.id), primary_key=True),
    Column("from_revision", BigInteger, primary_key=True, autoincrement=False),
    Column("until_revision", BigInteger, index=True),
    Column("name", _key(256), nullable=False),
    Column("deleted", Boolean, nullable=False),
)

# Origins of facts, and their ranks.
sources = Table(
    "sources",
    metadata,
    Column("name", _key(256), primary_key=True),
    Column("from_revision", BigInteger, primary_key=True, autoincrement=False),
    Column("until_revision", BigInteger),
    Column("rank", BigInteger, nullable=False),
)

# What each source states about each model (`domain.layers`).
layers = Table(
    "layers",
    metadata,
    Column("model_id", _key(36), ForeignKey(models.c.id), primary_key=True),
    Column("source", _key(256), primary_key=True),
    Column("guessed", Boolean, primary_key=True),
    Column("from_revision", BigInteger, primary_key=True, autoincrement=False, index=True),
    Column("until_revision", BigInteger, index=True),
    Column("document", Text, nullable=False),
)
_KEYS = {model_states: ("model_id",), sources: ("name",), layers: ("model_id", "source", "guessed")}
for _table, _columns in _KEYS.items():
    _is_current = _table.c.until_revision.is_(None)
    Index(
        f"uq_{_table.name}_current",
        *(_table.c[name] for name in _columns),
        unique=True,
        sqlite_where=_is_current,
        postgresql_where=_is_current,
    )
