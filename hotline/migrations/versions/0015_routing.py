"""Versions of the routing document; callers' last calls are found by number."""

import sqlalchemy as sa
from alembic import op

revision = "0015_routing"
down_revision = "0014_after_the_call"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "routing_versions",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=True),
    )
    op.create_index("ix_calls_caller", "calls", ["caller", "answered_at"])


def downgrade() -> None:
    """Change it back."""
    op.drop_index("ix_calls_caller", table_name="calls")
    op.drop_table("routing_versions")
