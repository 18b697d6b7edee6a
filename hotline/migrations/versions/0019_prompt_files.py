"""Recordings that administrators gave in the place of those that ship."""

import sqlalchemy as sa
from alembic import op

revision = "0019_prompt_files"
down_revision = "0018_documents"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "prompt_files",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )


def downgrade() -> None:
    """Change it back."""
    op.drop_table("prompt_files")
