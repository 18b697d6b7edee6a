"""Each part of a call's recording, with its checksum and its pauses."""

import sqlalchemy as sa
from alembic import op

revision = "0009_recordings"
down_revision = "0008_ladder"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "recordings",
        sa.Column("call_id", sa.String(40), primary_key=True),
        sa.Column("part", sa.Integer(), primary_key=True),
        sa.Column("path", sa.String(512), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("pauses", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    """Change it back."""
    op.drop_table("recordings")
