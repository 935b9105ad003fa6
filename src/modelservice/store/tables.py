"""The tables. Times are Unix seconds, whole: the same on every database, and what both documents show.

Every row that servers hold in memory carries the revision that last changed it, so that what is new since a revision
can be asked for.
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

# One row, which every write updates first and thereby locks until it commits: so revisions become visible in order.
head = Table(
    "head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)

# One row for each write. `token` is random: a restored backup whose numbers grew again has others.
revisions = Table(
    "revisions",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("token", String(32), nullable=False),
    Column("created", BigInteger, nullable=False),
)

organizations = Table(
    "organizations",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("revision", BigInteger, ForeignKey(revisions.c.number), nullable=False, index=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("organization_id", String(128), ForeignKey(organizations.c.id), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    Column("revision", BigInteger, ForeignKey(revisions.c.number), nullable=False, index=True),
)

models = Table(
    "models",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(256), nullable=False, unique=True),
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
    # Text, not JSON: kept as written, so that a model compares equal to the file that it came from.
    Column("metadata", Text, nullable=False),
    Column("system_prompt", Text),
    Column("system_prompt_id", String(36)),
    Column("revision", BigInteger, ForeignKey(revisions.c.number), nullable=False, index=True),
)
