"""Who promised a call, whoever calls then."""

import sqlalchemy as sa
from alembic import op

revision = "0020_promises"
down_revision = "0019_prompt_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema; what was promised until now is theirs whom it names."""
    op.add_column("callbacks", sa.Column("promised_by", sa.String(32), nullable=True))
    op.execute("UPDATE callbacks SET promised_by = agent_id WHERE reason = 'scheduled'")


def downgrade() -> None:
    """Change it back."""
    with op.batch_alter_table("callbacks") as table:
        table.drop_column("promised_by")
