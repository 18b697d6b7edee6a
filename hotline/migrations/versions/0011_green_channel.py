"""The partner who called by his own trunk, and his own number of the matter."""

import sqlalchemy as sa
from alembic import op

revision = "0011_green_channel"
down_revision = "0010_media_quality"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("partner", sa.String(32), nullable=True))
        batch_op.add_column(sa.Column("reference", sa.String(64), nullable=True))


def downgrade() -> None:
    """Undo the change."""
    with op.batch_alter_table("calls", schema=None) as batch_op:
        for name in ("reference", "partner"):
            batch_op.drop_column(name)
