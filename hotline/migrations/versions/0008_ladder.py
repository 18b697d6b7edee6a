"""A call's SIP messages in short."""

import sqlalchemy as sa
from alembic import op

revision = "0008_ladder"
down_revision = "0007_transfers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("ladder", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Undo the change."""
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.drop_column("ladder")
