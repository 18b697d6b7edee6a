"""Transfers and agents' own calls; the numbers of callers who withhold them."""

import sqlalchemy as sa
from alembic import op

revision = "0007_transfers"
down_revision = "0006_knowledge"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("direction", sa.String(8), nullable=False, server_default="inbound")
        )
        batch_op.add_column(sa.Column("called", sa.String(32), nullable=True))
        batch_op.add_column(sa.Column("forwarded", sa.JSON(), nullable=True))
    with op.batch_alter_table("call_segments", schema=None) as batch_op:
        batch_op.alter_column("agent_id", existing_type=sa.String(32), nullable=True)
        batch_op.add_column(sa.Column("number", sa.String(32), nullable=True))
        batch_op.add_column(sa.Column("how", sa.String(16), nullable=False, server_default="line"))
        batch_op.add_column(sa.Column("transferred_by", sa.String(32), nullable=True))
    op.create_table(
        "withheld_numbers",
        sa.Column("call_id", sa.String(40), primary_key=True),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
    with op.batch_alter_table("withheld_numbers", schema=None) as batch_op:
        batch_op.create_index("ix_withheld_numbers_at", ["at"])


def downgrade() -> None:
    """Change it back."""
    op.drop_table("withheld_numbers")
    op.execute("DELETE FROM call_segments WHERE agent_id IS NULL")
    with op.batch_alter_table("call_segments", schema=None) as batch_op:
        for name in ("transferred_by", "how", "number"):
            batch_op.drop_column(name)
        batch_op.alter_column("agent_id", existing_type=sa.String(32), nullable=False)
    with op.batch_alter_table("calls", schema=None) as batch_op:
        for name in ("forwarded", "called", "direction"):
            batch_op.drop_column(name)
