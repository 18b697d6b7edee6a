"""The knowledge base and its full-text index."""

import sqlalchemy as sa
from alembic import op

revision = "0006_knowledge"
down_revision = "0005_transcript_gaps"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "knowledge_entries",
        sa.Column("key", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("category", sa.String(100), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("keywords", sa.JSON(), nullable=False),
        sa.Column("experts", sa.JSON(), nullable=False),
        sa.Column("valid_until", sa.String(10), nullable=True),
        sa.Column("imported_at", sa.Float(), nullable=False),
        sa.Column("imported_by", sa.String(32), nullable=False),
        sa.UniqueConstraint("id", "version"),
    )
    op.create_index("ix_knowledge_entries_current", "knowledge_entries", ["current"])
    op.create_table(
        "knowledge_experts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("unit", sa.String(100), nullable=False),
        sa.Column("phone", sa.String(32), nullable=False),
        sa.Column("duty", sa.JSON(), nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE knowledge_index USING fts5"
            "(title, body, sounds, tokenize = \"unicode61 tokenchars '~.'\")"
        )
    else:
        op.execute(
            "CREATE TABLE knowledge_index (key integer PRIMARY KEY, terms tsvector NOT NULL)"
        )
        op.execute("CREATE INDEX knowledge_index_terms ON knowledge_index USING gin (terms)")


def downgrade() -> None:
    """Undo the change."""
    op.execute("DROP TABLE knowledge_index")
    op.drop_table("knowledge_experts")
    op.drop_table("knowledge_entries")
