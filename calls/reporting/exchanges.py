"""What went to partners and came from them: calls passed on, and tickets exchanged (工单互派)."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.records import segments
from calls.reporting.report import NOT_SAID, Exchange
from tickets.exchange.store import handovers_table as handovers
from tickets.store import tickets_table as tickets

CONSULTED: Final = "consulted"
"""How a segment ends of whom was only asked: the citizen was never his."""


async def counted(connection: AsyncConnection, start: float, end: float) -> tuple[Exchange, ...]:
    """Count both in a span, most first; equals in the order of their code points.

    A call counts where somebody of the partner's, or for a call of his our agent, has answered: a
    number of his that was tried in vain does not. Its reason is why it was passed on. A ticket
    counts when it was handed over; its reason is what it is about.
    """
    number = sa.func.count().label("number")
    passed_on = (segments.c.partner, segments.c.direction, segments.c.reason)
    of_calls = (
        sa.select(*passed_on, number)
        .where(
            segments.c.offered_at >= start,
            segments.c.offered_at < end,
            segments.c.partner.is_not(None),
            segments.c.answered_at.is_not(None),
            segments.c.outcome.is_distinct_from(CONSULTED),
        )
        .group_by(*passed_on)
    )
    handed_over = (handovers.c.partner, handovers.c.direction, tickets.c.category)
    of_tickets = (
        sa.select(*handed_over, number)
        .select_from(handovers.outerjoin(tickets, tickets.c.id == handovers.c.ticket_id))
        .where(
            handovers.c.kind == "ticket",
            handovers.c.created_at >= start,
            handovers.c.created_at < end,
        )
        .group_by(*handed_over)
    )
    rows = [
        Exchange(what, partner, direction or "", reason or NOT_SAID, int(count))
        for what, query in (("call", of_calls), ("ticket", of_tickets))
        for partner, direction, reason, count in await connection.execute(query)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.partner, row.direction, row)))
