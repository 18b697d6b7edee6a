"""Versions of all documents in one table; those of the routing document move there."""

import sqlalchemy as sa
from alembic import op

revision = "0018_documents"
down_revision = "0017_breaks_and_call_backs"
branch_labels = None
depends_on = None

_KEPT = "number, at, who, document"


def upgrade() -> None:
    """Change the schema."""
    op.create_table(
        "document_versions",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("name", "number"),
    )
    op.execute(
        f"INSERT INTO document_versions (name, {_KEPT}) "  # noqa: S608 - a constant
        f"SELECT 'routing', {_KEPT} FROM routing_versions"
    )
    op.drop_table("routing_versions")


def downgrade() -> None:
    """Change it back."""
    op.create_table(
        "routing_versions",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=True),
    )
    op.execute(
        f"INSERT INTO routing_versions ({_KEPT}) "  # noqa: S608 - a constant
        f"SELECT {_KEPT} FROM document_versions WHERE name = 'routing'"
    )
    op.drop_table("document_versions")
