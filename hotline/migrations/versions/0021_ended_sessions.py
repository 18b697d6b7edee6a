"""Sessions that were ended before their time."""

import sqlalchemy as sa
from alembic import op

revision = "0021_ended_sessions"
down_revision = "0020_promises"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "ended_sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_index("ix_ended_sessions_until", "ended_sessions", ["until"])


def downgrade() -> None:
    """Change it back."""
    op.drop_table("ended_sessions")
