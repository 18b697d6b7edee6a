"""What becomes of tickets: steps, deliveries, verdicts; and the audit trail."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002_handling"
down_revision = "0001"
branch_labels = None
depends_on = None

_ADDED: tuple[sa.Column[Any], ...] = (
    sa.Column("type", sa.String(8), nullable=True),
    sa.Column("street", sa.String(40), nullable=True),
    sa.Column("unit", sa.String(100), nullable=True),
    sa.Column("passed_at", sa.Float(), nullable=True),
    sa.Column("deadline_at", sa.Float(), nullable=True),
    sa.Column("ended_at", sa.Float(), nullable=True),
    sa.Column("returned", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("urged", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("supervised", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("forgotten", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("reopens", sa.String(32), nullable=True),
    sa.Column("reached", sa.Boolean(), nullable=True),
    sa.Column("solved", sa.Boolean(), nullable=True),
    sa.Column("satisfied", sa.Boolean(), nullable=True),
    sa.Column("satisfied_unit", sa.Boolean(), nullable=True),
    sa.Column("satisfied_agent", sa.Boolean(), nullable=True),
)
_INDEXED = ("street", "unit", "deadline_at", "ended_at", "reopens")


def _counter() -> sa.Column[int]:
    return sa.Column(
        "id",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    )


def upgrade() -> None:
    """Change the schema."""
    with op.batch_alter_table("tickets", schema=None) as batch_op:
        for column in _ADDED:
            batch_op.add_column(column)
        for name in _INDEXED:
            batch_op.create_index(batch_op.f(f"ix_tickets_{name}"), [name], unique=False)
    op.create_table(
        "ticket_steps",
        _counter(),
        sa.Column("ticket_id", sa.String(32), sa.ForeignKey("tickets.id"), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("unit", sa.String(100), nullable=True),
    )
    op.create_table(
        "ticket_deliveries",
        _counter(),
        sa.Column("ticket_id", sa.String(32), sa.ForeignKey("tickets.id"), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=True),
        sa.Column("delivered_at", sa.Float(), nullable=True),
        sa.Column("last_error", sa.String(300), nullable=True),
    )
    op.create_table(
        "audit",
        _counter(),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=True),
    )
    for table, name in (
        ("ticket_steps", "ticket_id"),
        ("ticket_steps", "at"),
        ("ticket_deliveries", "ticket_id"),
        ("ticket_deliveries", "next_at"),
        ("audit", "at"),
        ("audit", "who"),
        ("audit", "subject"),
    ):
        op.create_index(f"ix_{table}_{name}", table, [name], unique=False)


def downgrade() -> None:
    """Undo the change."""
    for table in ("audit", "ticket_deliveries", "ticket_steps"):
        op.drop_table(table)
    with op.batch_alter_table("tickets", schema=None) as batch_op:
        for name in _INDEXED:
            batch_op.drop_index(batch_op.f(f"ix_tickets_{name}"))
        for column in _ADDED:
            batch_op.drop_column(column.name)
