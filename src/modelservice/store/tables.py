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
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
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

# System models.
models = Table(
    "models",
    metadata,
    Column("id", _key(36), primary_key=True),
    # A deleted model's name is its UUID, which is not a valid name.
    Column("name", _key(256), nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("provider", String(256), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False, unique=True),
    Column("permission_id", Text),
    Column("description", Text),
    Column("enabled", Boolean, nullable=False),
    Column("context_window", BigInteger, nullable=False),
    Column("max_tokens", BigInteger),
    Column("max_tokens_per_request", BigInteger),
    Column("cost_per_1k_tokens", Float(53)),
    Column("credit_multiplier", BigInteger),
    Column("capabilities", JSON, nullable=False),
    Column("compliance", JSON, nullable=False),
    Column("encryption_supported", Boolean, nullable=False),
    Column("pii_redaction_supported", Boolean, nullable=False),
    Column("supports_streaming", Boolean, nullable=False),
    Column("supports_tools", Boolean, nullable=False),
    # Text, not JSON: stored as written, so that a model equals the file that it came from.
    Column("metadata", Text, nullable=False),
    Column("system_prompt", Text),
    Column("system_prompt_id", String(36)),
    # Where the model and each of its fields come from: the name of a catalogue file, or "update".
    Column("source", Text, nullable=False, server_default=""),
    Column("sources", JSON, nullable=False, server_default="{}"),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Column("revision", BigInteger, ForeignKey(revisions.c.number), nullable=False, index=True),
)

# An organization's models. NULL is inherited.
organization_models = Table(
    "organization_models",
    metadata,
    Column("id", _key(36), primary_key=True),
    Column("organization_id", _key(128), ForeignKey(organizations.c.id), nullable=False),
    Column("parent_id", _key(36), ForeignKey(models.c.id), nullable=False, index=True),
    # A deleted model's name is its UUID, which is not a valid name.
    Column("name", _key(256), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False, unique=True),
    Column("enabled", Boolean, nullable=False),
    Column("description", Text),
    Column("context_window", BigInteger),
    Column("max_tokens", BigInteger),
    Column("max_tokens_per_request", BigInteger),
    Column("cost_per_1k_tokens", Float(53)),
    Column("capabilities", JSON(none_as_null=True)),
    Column("compliance", JSON(none_as_null=True)),
    Column("encryption_supported", Boolean),
    Column("pii_redaction_supported", Boolean),
    Column("supports_streaming", Boolean),
    Column("supports_tools", Boolean),
    Column("metadata", Text),
    Column("system_prompt", Text),
    Column("system_prompt_id", String(36)),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Column("revision", BigInteger, ForeignKey(revisions.c.number), nullable=False, index=True),
    UniqueConstraint("organization_id", "name"),
)
