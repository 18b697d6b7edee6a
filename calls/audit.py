"""Who looked at what, took it out of the house, or changed it: kept, and never changed.

The norm for personal information asks for it (个人信息保护法 §51), and for at least six months
(网络安全法 §21). Entries go through the same ordered queue as call records.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import JSON, Column, Float, String, Table, select
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.records import RecordWriter, metadata
from tickets.store import counted_id

audit_entries = Table(
    "audit",
    metadata,
    counted_id(),
    Column("at", Float, nullable=False, index=True),
    Column("who", String(32), nullable=False, index=True),
    Column("action", String(40), nullable=False),
    Column("subject", String(128), nullable=False, index=True),
    Column("detail", JSON, nullable=True),
)


_SAME_LOOK = 60.0
"""Seconds in which a page that asks for the same again adds no entry."""
_LOOKS = 10_000


class AuditTrail:
    """The trail.

    Args:
        engine: for reading.
        writer: the queue that entries go through.
        clock: Unix seconds.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        writer: RecordWriter,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._clock = clock
        self._looks: dict[tuple[str, str, str, str], float] = {}

    def look(
        self, who: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Write down that somebody looked at a list; the same look once a minute.

        Pages ask for their lists anew with each event: no entries of calls may go for such.
        """
        look, now = (who, action, subject, repr(detail)), self._clock()
        if 0 <= now - self._looks.get(look, -_SAME_LOOK) < _SAME_LOOK:
            return
        if len(self._looks) >= _LOOKS:
            self._looks.clear()
        self._looks[look] = now
        self.note(who, action, subject, detail)

    def note(
        self, who: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Write down that somebody did something; returns at once.

        Args:
            who: an account's number, or ``system``.
            action: what, e.g. ``ticket.view``, ``recording.listen``, ``report.export``.
            subject: of which thing: a ticket's, call's or account's number.
            detail: what else belongs to it, e.g. ``{"before": …, "after": …}``.
        """
        self._writer.put(
            audit_entries.insert().values(
                at=self._clock(),
                who=who,
                action=action,
                subject=subject[:128],
                detail=dict(detail) if detail is not None else None,
            )
        )

    async def list_(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return entries, newest first: id, at, who, action, subject, detail."""
        await self._writer.flush()
        query = select(audit_entries).order_by(audit_entries.c.id.desc())
        for column, value in (("who", who), ("action", action), ("subject", subject)):
            if value is not None:
                query = query.where(audit_entries.c[column] == value)
        if since is not None:
            query = query.where(audit_entries.c.at >= since)
        if until is not None:
            query = query.where(audit_entries.c.at < until)
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.limit(limit).offset(offset))
            return [dict(row) for row in rows.mappings()]
