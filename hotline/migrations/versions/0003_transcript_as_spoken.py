"""Longer names of categories; the transcript as it was spoken, besides as it is written."""

import sqlalchemy as sa
from alembic import op

revision = "0003_transcript_as_spoken"
down_revision = "0002_handling"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    with op.batch_alter_table("tickets") as batch_op:
        batch_op.alter_column("category", type_=sa.String(100), existing_type=sa.String(32))
    with op.batch_alter_table("utterances") as batch_op:
        batch_op.add_column(sa.Column("spoken", sa.Text(), nullable=True))


def downgrade() -> None:
    """Undo the change."""
    with op.batch_alter_table("utterances") as batch_op:
        batch_op.drop_column("spoken")
    with op.batch_alter_table("tickets") as batch_op:
        batch_op.alter_column("category", type_=sa.String(32), existing_type=sa.String(100))
