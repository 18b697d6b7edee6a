"""What reports look for by its time: tickets passed on, and the calls that partners had part in."""

import sqlalchemy as sa
from alembic import op

revision = "0022_report_indexes"
down_revision = "0021_ended_sessions"
branch_labels = None
depends_on = None

_PARTNERS = sa.text("partner IS NOT NULL")


def upgrade() -> None:
    """Change the schema."""
    op.create_index("ix_tickets_passed_at", "tickets", ["passed_at"])
    op.create_index(
        "ix_call_segments_partner",
        "call_segments",
        ["offered_at"],
        sqlite_where=_PARTNERS,
        postgresql_where=_PARTNERS,
    )


def downgrade() -> None:
    """Change it back."""
    op.drop_index("ix_call_segments_partner", "call_segments")
    op.drop_index("ix_tickets_passed_at", "tickets")
