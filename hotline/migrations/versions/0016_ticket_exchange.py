"""Tickets that were handed over to and by partners, and the messages to them."""

import sqlalchemy as sa
from alembic import op

revision = "0016_ticket_exchange"
down_revision = "0015_routing"
branch_labels = None
depends_on = None


def _counter() -> sa.Column[int]:
    return sa.Column(
        "id",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    )


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "exchange_handovers",
        _counter(),
        sa.Column("partner", sa.String(32), nullable=False),
        sa.Column("direction", sa.String(4), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.String(32), nullable=True),
        sa.Column("theirs", sa.String(64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rule", sa.String(64), nullable=True),
        sa.Column("reopens", sa.String(64), nullable=True),
        sa.Column("matter", sa.JSON(), nullable=False),
        sa.Column("said_at", sa.Float(), nullable=False),
        sa.Column("call", sa.String(64), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.UniqueConstraint("partner", "direction", "kind", "number"),
    )
    op.create_table(
        "exchange_letters",
        _counter(),
        sa.Column("partner", sa.String(32), nullable=False),
        sa.Column("message_id", sa.String(100), nullable=False),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=True),
        sa.Column("acked_at", sa.Float(), nullable=True),
        sa.Column("alarmed", sa.Boolean(), nullable=False),
        sa.Column("error", sa.String(300), nullable=True),
        sa.UniqueConstraint("partner", "message_id"),
    )
    for table, name in (
        ("exchange_handovers", "number"),
        ("exchange_handovers", "state"),
        ("exchange_handovers", "ticket_id"),
        ("exchange_handovers", "changed_at"),
        ("exchange_letters", "next_at"),
    ):
        op.create_index(f"ix_{table}_{name}", table, [name], unique=False)


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("exchange_letters")
    op.drop_table("exchange_handovers")
