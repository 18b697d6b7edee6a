"""Which way a ticket came in; to or from which partner a call went, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0004_exchange"
down_revision = "0003_transcript_as_spoken"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    with op.batch_alter_table("tickets", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("channel", sa.String(16), nullable=False, server_default="电话")
        )
        batch_op.create_index(batch_op.f("ix_tickets_submitted_at"), ["submitted_at"], unique=False)
    with op.batch_alter_table("call_segments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("partner", sa.String(32), nullable=True))
        batch_op.add_column(sa.Column("direction", sa.String(4), nullable=True))
        batch_op.add_column(sa.Column("reason", sa.String(200), nullable=True))


def downgrade() -> None:
    """Undo the change."""
    with op.batch_alter_table("call_segments", schema=None) as batch_op:
        for name in ("partner", "direction", "reason"):
            batch_op.drop_column(name)
    with op.batch_alter_table("tickets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tickets_submitted_at"))
        batch_op.drop_column("channel")
