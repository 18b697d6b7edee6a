"""What was not recognised during the calls, and utterances that were recognised later."""

import sqlalchemy as sa
from alembic import op

revision = "0005_transcript_gaps"
down_revision = "0004_exchange"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "transcript_gaps",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True),
        sa.Column("call_id", sa.String(length=40), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("leg", sa.String(length=8), nullable=False),
        sa.Column("start", sa.Float(), nullable=False),
        sa.Column("end", sa.Float(), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("recogniser", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_transcript_gaps_call_id", "transcript_gaps", ["call_id"])
    op.create_index("ix_transcript_gaps_state", "transcript_gaps", ["state", "node"])
    with op.batch_alter_table("utterances") as batch_op:
        batch_op.add_column(sa.Column("later", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Undo the change."""
    with op.batch_alter_table("utterances") as batch_op:
        batch_op.drop_column("later")
    op.drop_table("transcript_gaps")
