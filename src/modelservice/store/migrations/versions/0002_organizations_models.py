"""Organizations' models, deletion, sources of values, the audit, and keys that belong to no organization."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds tables, and columns with defaults, so that the previous version can still write."""
    op.create_table(
        "audit",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_audit")),
        sa.ForeignKeyConstraint(["revision"], ["revisions.number"], name=op.f("fk_audit_revision_revisions")),
    )
    op.create_index(op.f("ix_audit_created"), "audit", ["created"])
    op.add_column("organizations", _deleted())
    op.add_column("models", sa.Column("source", sa.Text(), nullable=False, server_default=""))
    op.add_column("models", sa.Column("sources", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("models", _deleted())
    with op.batch_alter_table("api_keys") as keys:
        keys.alter_column("organization_id", existing_type=sa.String(128), nullable=True)
        keys.add_column(_deleted())
    op.create_table(
        "organization_models",
        sa.Column("id", _key(36), nullable=False),
        sa.Column("organization_id", _key(128), nullable=False),
        sa.Column("parent_id", _key(36), nullable=False),
        sa.Column("name", _key(256), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("context_window", sa.BigInteger()),
        sa.Column("max_tokens", sa.BigInteger()),
        sa.Column("max_tokens_per_request", sa.BigInteger()),
        sa.Column("cost_per_1k_tokens", sa.Float(53)),
        sa.Column("capabilities", sa.JSON()),
        sa.Column("compliance", sa.JSON()),
        sa.Column("encryption_supported", sa.Boolean()),
        sa.Column("pii_redaction_supported", sa.Boolean()),
        sa.Column("supports_streaming", sa.Boolean()),
        sa.Column("supports_tools", sa.Boolean()),
        sa.Column("metadata", sa.Text()),
        sa.Column("system_prompt", sa.Text()),
        sa.Column("system_prompt_id", sa.String(36)),
        _deleted(),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization_models")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_organization_models_organization_id_name")),
        sa.UniqueConstraint("position", name=op.f("uq_organization_models_position")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_organization_models_organization_id_organizations")
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["models.id"], name=op.f("fk_organization_models_parent_id_models")),
        sa.ForeignKeyConstraint(
            ["revision"], ["revisions.number"], name=op.f("fk_organization_models_revision_revisions")
        ),
    )
    op.create_index(op.f("ix_organization_models_parent_id"), "organization_models", ["parent_id"])
    op.create_index(op.f("ix_organization_models_revision"), "organization_models", ["revision"])


def _deleted() -> sa.Column[bool]:
    return sa.Column("deleted", sa.Boolean(), nullable=False, server_default=sa.false())


def _key(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
