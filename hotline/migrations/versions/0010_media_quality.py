"""What the network did to each party's audio."""

import sqlalchemy as sa
from alembic import op

revision = "0010_media_quality"
down_revision = "0009_recordings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    op.add_column("calls", sa.Column("media", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Change it back."""
    op.drop_column("calls", "media")
