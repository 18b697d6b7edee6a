"""Where people have signed in."""

import sqlalchemy as sa
from alembic import op

revision = "0023_known_sources"
down_revision = "0022_report_indexes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "known_sources",
        sa.Column("agent_id", sa.String(32), primary_key=True),
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Change it back."""
    op.drop_table("known_sources")
