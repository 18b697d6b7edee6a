"""Alembic's entry: runs on the connection that ``hotline.database`` hands over."""

from alembic import context

from agents.accounts import metadata as agents_metadata
from calls.records import metadata as calls_metadata
from tickets.store import metadata as tickets_metadata

METADATA = [agents_metadata, calls_metadata, tickets_metadata]

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite cannot alter a column: Alembic makes a new table and copies.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
