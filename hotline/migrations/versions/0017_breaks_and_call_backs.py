"""How long agents were not ready and why; callers who are called back instead of waiting."""

import sqlalchemy as sa
from alembic import op

revision = "0017_breaks_and_call_backs"
down_revision = "0016_ticket_exchange"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "agent_breaks",
        sa.Column("agent_id", sa.String(32), nullable=False),
        sa.Column("began_at", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("agent_id", "began_at"),
    )
    op.create_index("ix_agent_breaks_ended_at", "agent_breaks", ["ended_at"])
    with op.batch_alter_table("interval_statistics") as table:
        table.add_column(sa.Column("call_backs", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("interval_statistics") as table:
        table.alter_column("call_backs", server_default=None)


def downgrade() -> None:
    """Change it back."""
    with op.batch_alter_table("interval_statistics") as table:
        table.drop_column("call_backs")
    op.drop_table("agent_breaks")
