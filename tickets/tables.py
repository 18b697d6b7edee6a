"""The tables of tickets. The schema is made by the migrations of ``hotline``.

They stand apart from `tickets.store`, which changes them and what partners are still to be told,
since the tables of the exchange build on them as well.
"""

import sqlalchemy as sa

metadata = sa.MetaData()


def counted_id() -> sa.Column[int]:
    """Return a key that the database counts up; SQLite does so only in exactly INTEGER."""
    return sa.Column(
        "id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    )


tickets_table = sa.Table(
    "tickets",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("call_id", sa.String(64), nullable=False, index=True),
    sa.Column("agent_id", sa.String(32), nullable=True, index=True),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("created_at", sa.Float, nullable=False, index=True),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.Column("submitted_at", sa.Float, nullable=True, index=True),
    sa.Column("submitted_by", sa.String(32), nullable=True),
    # Which way it came in: 电话, 互转 (from a partner), 回访…
    sa.Column("channel", sa.String(16), nullable=False, server_default="电话"),
    sa.Column("phone", sa.String(32), nullable=True, index=True),
    sa.Column("name", sa.String(64), nullable=True),
    sa.Column("type", sa.String(8), nullable=True),
    sa.Column("category", sa.String(100), nullable=True, index=True),
    sa.Column("street", sa.String(40), nullable=True, index=True),
    sa.Column("urgency", sa.String(8), nullable=False),
    sa.Column("secret", sa.Boolean, nullable=False),
    sa.Column("fields", sa.JSON, nullable=False),
    # What becomes of it, see tickets/life.py and tickets/handling.py.
    sa.Column("unit", sa.String(100), nullable=True, index=True),
    sa.Column("passed_at", sa.Float, nullable=True, index=True),
    sa.Column("deadline_at", sa.Float, nullable=True, index=True),
    sa.Column("ended_at", sa.Float, nullable=True, index=True),
    sa.Column("returned", sa.Integer, nullable=False, server_default="0"),
    sa.Column("urged", sa.Integer, nullable=False, server_default="0"),
    sa.Column("supervised", sa.Boolean, nullable=False, server_default=sa.false()),
    # The person was let go of, see calls/retention.py.
    sa.Column("forgotten", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("reopens", sa.String(32), nullable=True, index=True),
    sa.Column("reached", sa.Boolean, nullable=True),
    sa.Column("solved", sa.Boolean, nullable=True),
    sa.Column("satisfied", sa.Boolean, nullable=True),
    sa.Column("satisfied_unit", sa.Boolean, nullable=True),
    sa.Column("satisfied_agent", sa.Boolean, nullable=True),
)
steps_table = sa.Table(
    "ticket_steps",
    metadata,
    counted_id(),
    sa.Column("ticket_id", sa.ForeignKey("tickets.id"), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("who", sa.String(32), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("unit", sa.String(100), nullable=True),
)
deliveries_table = sa.Table(
    "ticket_deliveries",
    metadata,
    counted_id(),
    sa.Column("ticket_id", sa.ForeignKey("tickets.id"), nullable=False, index=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    # Null: delivered, or given up.
    sa.Column("next_at", sa.Float, nullable=True, index=True),
    sa.Column("delivered_at", sa.Float, nullable=True),
    sa.Column("last_error", sa.String(300), nullable=True),
)
changes_table = sa.Table(
    "ticket_changes",
    metadata,
    counted_id(),
    sa.Column("ticket_id", sa.ForeignKey("tickets.id"), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("who", sa.String(32), nullable=False),
    sa.Column("field", sa.String(32), nullable=False),
    sa.Column("before", sa.JSON, nullable=True),
    sa.Column("after", sa.JSON, nullable=True),
)
