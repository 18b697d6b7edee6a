"""Finding past calls: by number, agent, line, words, category and time."""

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.quality import assessments
from calls.records import RecordWriter, calls, segments, utterances
from tickets.store import tickets_table as tickets

_SHOWN: Final = (
    calls.c.call_id,
    calls.c.line,
    calls.c.caller,
    calls.c.direction,
    calls.c.arrived_at,
    calls.c.answered_at,
    calls.c.ended_at,
    calls.c.outcome,
    calls.c.agent_id,
    calls.c.ticket_id,
)


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for; None: anything.

    Attributes:
        number: a part of the caller's number, or of the one that was called.
        agent_id: he talked in it.
        line: the dialled one.
        text: words that somebody said, as the transcript has them.
        category: of its ticket; one above it in the tree finds those below.
        since, until: when it arrived, Unix seconds.
    """

    number: str | None = None
    agent_id: str | None = None
    line: str | None = None
    text: str | None = None
    category: str | None = None
    since: float | None = None
    until: float | None = None


class CallFinder:
    """The calls in SQL.

    Args:
        engine: where they are.
        writer: the queue that they are written by; finding waits for it.
    """

    def __init__(self, engine: AsyncEngine, writer: RecordWriter) -> None:
        self._engine = engine
        self._writer = writer

    async def find(
        self, sought: Sought, *, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return calls, newest first, with ``category``, ``urgency`` and the latest ``score``."""
        await self._writer.flush()
        score = (
            sa.select(assessments.c.total)
            .where(assessments.c.call_id == calls.c.call_id)
            .order_by(assessments.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        recorded = calls.c.recording.is_not(None)
        query = (
            sa.select(
                *_SHOWN,
                recorded.label("recording"),
                tickets.c.category,
                tickets.c.urgency,
                score.label("score"),
            )
            .select_from(calls.outerjoin(tickets, tickets.c.id == calls.c.ticket_id))
            .where(*_conditions(sought))
            .order_by(calls.c.arrived_at.desc(), calls.c.call_id)
            .limit(limit)
            .offset(offset)
        )
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]


def _conditions(sought: Sought) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if sought.number is not None:
        either = (calls.c.caller, calls.c.called)
        found.append(sa.or_(*(c.contains(sought.number, autoescape=True) for c in either)))
    if sought.agent_id is not None:
        talked = sa.select(segments.c.call_id).where(
            segments.c.agent_id == sought.agent_id, segments.c.answered_at.is_not(None)
        )
        found.append(sa.or_(calls.c.agent_id == sought.agent_id, calls.c.call_id.in_(talked)))
    if sought.line is not None:
        found.append(calls.c.line == sought.line)
    if sought.text is not None:
        said = sa.select(utterances.c.call_id).where(
            utterances.c.text.contains(sought.text, autoescape=True)
        )
        found.append(calls.c.call_id.in_(said))
    if sought.category is not None:
        found.append(tickets.c.category.startswith(sought.category, autoescape=True))
    if sought.since is not None:
        found.append(calls.c.arrived_at >= sought.since)
    if sought.until is not None:
        found.append(calls.c.arrived_at < sought.until)
    return found
