"""Ratings, dispositions, the call-back list, and when each node was last heard of."""

import sqlalchemy as sa
from alembic import op

revision = "0014_after_the_call"
down_revision = "0013_recording_begins"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "ratings",
        sa.Column("call_id", sa.String(40), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("agent_id", sa.String(32), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "seq"),
    )
    op.create_index(op.f("ix_ratings_agent_id"), "ratings", ["agent_id"])
    op.create_index(op.f("ix_ratings_at"), "ratings", ["at"])
    op.create_table(
        "dispositions",
        sa.Column("call_id", sa.String(40), nullable=False),
        sa.Column("agent_id", sa.String(32), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("note", sa.String(200), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "agent_id"),
    )
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("open_number", sa.String(64), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("line", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("call_id", sa.String(40), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.Column("agent_id", sa.String(32), nullable=True),
        sa.Column("taken_at", sa.Float(), nullable=True),
        sa.Column("outcome", sa.String(16), nullable=True),
        sa.Column("closed_at", sa.Float(), nullable=True),
        sa.Column("note", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("open_number"),
    )
    op.create_index("ix_callbacks_status", "callbacks", ["status", "due_at"])
    op.create_table(
        "node_beats",
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("beat", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("node"),
    )


def downgrade() -> None:
    """Change it back."""
    for name in ("node_beats", "callbacks", "dispositions", "ratings"):
        op.drop_table(name)
