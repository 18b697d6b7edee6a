"""What goes on with records, tickets and knowledge in the background."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.audit import AuditTrail
from calls.retention import Periods, RetentionJob
from config.tickets import HandlingSettings, RetentionSettings
from tickets.dispatch import WebhookDispatcher, secret_key
from tickets.help.knowledge import read_folder
from tickets.help.knowledge_base import KnowledgeBase

#: Entries that a new system begins with.
EXAMPLES = Path(__file__).parents[1] / "config" / "knowledge"


def retention_job(
    settings: RetentionSettings, *, engine: AsyncEngine, audit: AuditTrail, node: str
) -> RetentionJob:
    """Return what removes records whose time is over."""
    return RetentionJob(
        engine,
        periods=Periods(
            recordings=settings.recordings_days,
            transcripts=settings.transcripts_days,
            personal=settings.personal_days,
            audit=settings.audit_days,
            open_tickets=settings.open_tickets_days,
        ),
        audit=audit,
        node=node,
    )


def ticket_dispatcher(
    settings: HandlingSettings,
    *,
    engine: AsyncEngine,
    on_status: Callable[[str, str | None], None],
) -> WebhookDispatcher | None:
    """Return what tells another platform of tickets' steps; None: nobody is told."""
    if settings.webhook_url is None or settings.webhook_secret is None:
        return None
    return WebhookDispatcher(
        engine,
        url=settings.webhook_url,
        key=secret_key(settings.webhook_secret.get_secret_value()),
        on_status=on_status,
    )


async def import_knowledge(base: KnowledgeBase, folder: Path | None) -> None:
    """Import a folder into the knowledge base, or the examples into a new one."""
    folder = folder or (EXAMPLES if await base.is_new() else None)
    if folder is None:
        return
    entries, experts = await asyncio.to_thread(read_folder, folder)
    # Another node that starts with us may be importing the same.
    with contextlib.suppress(IntegrityError):
        await base.import_(entries, experts=experts, who="system")
