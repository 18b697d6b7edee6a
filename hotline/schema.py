"""The database's schema by Alembic: its migrations, and how they compare with the code's tables."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData

import agents.ended_sessions
import agents.known_sources  # noqa: F401 - these register their tables
import calls.after_call
import calls.audit
import calls.breaks
import calls.callback_store
import calls.documents
import calls.gaps
import calls.prompt_shelf  # noqa: F401 - these register their tables
import tickets.exchange.store  # noqa: F401 - registers its tables
from agents.accounts import metadata as agents_metadata
from calls.audit import audit_entries
from calls.gaps import transcript_gaps
from calls.quality import assessments
from calls.records import metadata as calls_metadata
from calls.statistics.store import interval_statistics
from tickets.help.knowledge_base import INDEX
from tickets.store import metadata as tickets_metadata

_MIGRATIONS = Path(__file__).parent / "migrations"


def settings() -> Config:
    """Return where Alembic finds the migrations."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def upgrade(connection: Connection) -> None:
    """Run the migrations that the database has not seen."""
    config = settings()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _is_ours(name: str | None, _kind: str, _parents: object) -> bool:
    # The full-text index differs by database and is not described in the code's tables.
    return not (name or "").startswith(INDEX)


def differences(connection: Connection) -> list[Any]:
    """Return what the tables in the code have and the migrated database has not, or otherwise."""
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "include_name": _is_ours}
    )
    everything = MetaData()
    # These are imported so that their tables are known; their metadata is that of the calls.
    known = {agents_metadata, calls_metadata, tickets_metadata}
    others = (audit_entries, transcript_gaps, interval_statistics, assessments)
    for metadata in known | {table.metadata for table in others}:
        for table in metadata.tables.values():
            table.to_metadata(everything)
    return list(compare_metadata(context, everything))
