"""The first schema: organizations, API keys, system models, and the history of revisions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables, and the head row that the first write locks."""
    head = op.create_table(
        "head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_head_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_head")),
    )
    op.bulk_insert(head, [{"id": 1, "revision": 0}])
    op.create_table(
        "revisions",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_revisions")),
    )
    op.create_table(
        "organizations",
        sa.Column("id", _key(128), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.ForeignKeyConstraint(["revision"], ["revisions.number"], name=op.f("fk_organizations_revision_revisions")),
    )
    op.create_index(op.f("ix_organizations_revision"), "organizations", ["revision"])
    op.create_table(
        "api_keys",
        sa.Column("id", _key(32), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("organization_id", _key(128), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger()),
        sa.Column("revoked", sa.BigInteger()),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_api_keys_organization_id_organizations")
        ),
        sa.ForeignKeyConstraint(["revision"], ["revisions.number"], name=op.f("fk_api_keys_revision_revisions")),
    )
    op.create_index(op.f("ix_api_keys_organization_id"), "api_keys", ["organization_id"])
    op.create_index(op.f("ix_api_keys_revision"), "api_keys", ["revision"])
    op.create_table(
        "models",
        sa.Column("id", _key(36), nullable=False),
        sa.Column("name", _key(256), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("provider", sa.String(256), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("permission_id", sa.Text()),
        sa.Column("description", sa.Text()),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("context_window", sa.BigInteger(), nullable=False),
        sa.Column("max_tokens", sa.BigInteger()),
        sa.Column("max_tokens_per_request", sa.BigInteger()),
        sa.Column("cost_per_1k_tokens", sa.Float(53)),
        sa.Column("credit_multiplier", sa.BigInteger()),
        sa.Column("capabilities", sa.JSON(), nullable=False),
        sa.Column("compliance", sa.JSON(), nullable=False),
        sa.Column("encryption_supported", sa.Boolean(), nullable=False),
        sa.Column("pii_redaction_supported", sa.Boolean(), nullable=False),
        sa.Column("supports_streaming", sa.Boolean(), nullable=False),
        sa.Column("supports_tools", sa.Boolean(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("system_prompt", sa.Text()),
        sa.Column("system_prompt_id", sa.String(36)),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("name", name=op.f("uq_models_name")),
        sa.UniqueConstraint("position", name=op.f("uq_models_position")),
        sa.ForeignKeyConstraint(["revision"], ["revisions.number"], name=op.f("fk_models_revision_revisions")),
    )
    op.create_index(op.f("ix_models_revision"), "models", ["revision"])


def _key(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
