"""Machines that authenticate with tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds a table, which the previous version ignores."""
    op.create_table(
        "clients",
        sa.Column("id", _key(255), nullable=False),
        sa.Column("organization_id", _key(128), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_clients_organization_id_organizations")
        ),
        sa.ForeignKeyConstraint(["revision"], ["revisions.number"], name=op.f("fk_clients_revision_revisions")),
    )
    op.create_index(op.f("ix_clients_organization_id"), "clients", ["organization_id"])
    op.create_index(op.f("ix_clients_revision"), "clients", ["revision"])


def _key(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
