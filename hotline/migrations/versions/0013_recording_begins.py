"""When each part of a call's recording begins, in seconds since the call was answered."""

import sqlalchemy as sa
from alembic import op

revision = "0013_recording_begins"
down_revision = "0012_statistics_and_quality"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    op.add_column("recordings", sa.Column("begins", sa.Float()))


def downgrade() -> None:
    """Change it back."""
    op.drop_column("recordings", "begins")
