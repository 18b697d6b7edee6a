"""Taking what names a person out of what stays for the statistics, in SQL.

A ticket that a unit still has to do with is needed as it is: so are its call's number, words and
recording, however old they are (:func:`still_needed`).
"""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from calls.after_call import dispositions
from calls.callback_store import callbacks
from calls.records import calls, segments, withheld_numbers
from tickets.exchange.store import handovers_table
from tickets.store import changes_table, deliveries_table, steps_table, tickets_table

BATCH: Final = 500
_PERSONAL: Final = frozenset({"name", "title", "phone", "address", "party", "content"})
_UNDER_WAY: Final = ("submitted", "passed", "returned")
_OVER: Final = ("answered", "closed", "draft")
_DECIDED: Final = ("returned", "finished")


def still_needed(touched_since: float) -> sa.ColumnElement[bool]:
    """Say of a row of ``calls`` that one of its tickets is not over.

    Args:
        touched_since: who has left a ticket alone for longer than since then (Unix seconds) works
            it elsewhere, or not at all.
    """
    return sa.exists().where(
        tickets_table.c.call_id == calls.c.call_id,
        tickets_table.c.status.in_(_UNDER_WAY),
        tickets_table.c.updated_at >= touched_since,
    )


async def kept_for_tickets(engine: AsyncEngine, before: float, touched_since: float) -> int:
    """Return how many calls that ended before are kept for their tickets."""
    query = sa.select(sa.func.count()).select_from(calls)
    async with engine.connect() as connection:
        kept = query.where(calls.c.ended_at < before, still_needed(touched_since))
        return int((await connection.execute(kept)).scalar_one())


async def forget_tickets(engine: AsyncEngine, before: float, touched_since: float) -> int:
    """Empty the personal fields of tickets that ended before; return of how many.

    So goes a ticket that is open, but that nobody has touched since ``touched_since``.
    """
    emptied = 0
    while rows := await _old_tickets(engine, before, touched_since):
        async with engine.begin() as connection:
            for row in rows:
                await _forget_ticket(connection, row)
        emptied += len(rows)
    return emptied


async def forget_callers(engine: AsyncEngine, before: float, touched_since: float) -> int:
    """Empty what tells who was in calls that ended before; return in how many."""
    emptied, after = 0, ""
    while found := await _old_calls(engine, before, touched_since, after):
        async with engine.begin() as connection:
            await connection.execute(
                calls.update()
                .where(calls.c.call_id.in_(found))
                .values(caller=None, called=None, ladder=sa.null(), forwarded=sa.null())
            )
            await connection.execute(
                segments.update()
                .where(segments.c.call_id.in_(found), segments.c.partner.is_(None))
                .values(number=None)
            )
            await connection.execute(
                dispositions.update().where(dispositions.c.call_id.in_(found)).values(note=None)
            )
        emptied, after = emptied + len(found), found[-1]
    needed = sa.select(calls.c.call_id).where(still_needed(touched_since))
    async with engine.begin() as connection:
        numbers = withheld_numbers.c
        await connection.execute(
            withheld_numbers.delete().where(numbers.at < before, numbers.call_id.not_in(needed))
        )
        # an entry that is open is still needed
        await connection.execute(callbacks.delete().where(callbacks.c.closed_at < before))
    return emptied


async def forget_exchanged(engine: AsyncEngine, before: float) -> None:
    """Empty what partners said, and were told, of tickets that were decided before.

    Letters and partners' drafts go by themselves within days (:mod:`tickets.exchange`).
    """
    handovers = handovers_table.c
    async with engine.begin() as connection:
        await connection.execute(
            handovers_table.update()
            .where(
                handovers.kind == "ticket",
                handovers.state.in_(_DECIDED),
                handovers.changed_at < before,
                sa.or_(handovers.reason != "", sa.cast(handovers.matter, sa.Text) != "{}"),
            )
            .values(matter={}, reason="")
        )


async def _old_tickets(
    engine: AsyncEngine, before: float, touched_since: float
) -> list[sa.Row[Any]]:
    table = tickets_table
    finished = sa.func.coalesce(table.c.ended_at, table.c.updated_at)
    left_alone = sa.and_(
        table.c.status.in_(_UNDER_WAY), table.c.updated_at < min(before, touched_since)
    )
    query = (
        sa.select(table.c.id, table.c.fields)
        .where(
            sa.or_(sa.and_(table.c.status.in_(_OVER), finished < before), left_alone),
            table.c.forgotten.is_(False),
        )
        .limit(BATCH)
    )
    async with engine.connect() as connection:
        return list(await connection.execute(query))


async def _old_calls(
    engine: AsyncEngine, before: float, touched_since: float, after: str
) -> Sequence[str]:
    """Return the next calls after ``after`` that tell of somebody."""
    told = (calls.c.caller, calls.c.called, calls.c.ladder, calls.c.forwarded)
    reached = sa.exists().where(
        segments.c.call_id == calls.c.call_id,
        segments.c.number.is_not(None),
        segments.c.partner.is_(None),
    )
    noted = sa.exists().where(
        dispositions.c.call_id == calls.c.call_id, dispositions.c.note.is_not(None)
    )
    query = (
        sa.select(calls.c.call_id)
        .where(
            calls.c.ended_at < before,
            calls.c.call_id > after,
            sa.or_(*(column.is_not(sa.null()) for column in told), reached, noted),
            ~still_needed(touched_since),
        )
        .order_by(calls.c.call_id)
        .limit(BATCH)
    )
    async with engine.connect() as connection:
        return (await connection.execute(query)).scalars().all()


async def _forget_ticket(connection: AsyncConnection, row: sa.Row[Any]) -> None:
    fields = {
        name: {**field, "value": "" if name == "content" else None, "evidence": None}
        if name in _PERSONAL
        else {**field, "evidence": None}
        for name, field in row.fields.items()
    }
    table = tickets_table
    await connection.execute(
        table.update()
        .where(table.c.id == row.id)
        .values(fields=fields, phone=None, name=None, forgotten=True)
    )
    await connection.execute(
        changes_table.delete().where(
            changes_table.c.ticket_id == row.id, changes_table.c.field.in_(_PERSONAL)
        )
    )
    await connection.execute(
        steps_table.update().where(steps_table.c.ticket_id == row.id).values(note="")
    )
    await connection.execute(
        deliveries_table.delete().where(deliveries_table.c.ticket_id == row.id)
    )
