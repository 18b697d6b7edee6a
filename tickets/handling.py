"""What becomes of submitted tickets, in SQL: the steps of :mod:`tickets.life`, each one recorded.

Every step takes the ticket's row first, so two people cannot both pass on the same ticket, and
commits together with its record and with what other platforms shall be told of it
(:mod:`tickets.dispatch`).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tickets.life import Deadlines, Handling, Review, Step, take
from tickets.store import (
    UnknownTicket,
    as_ticket,
    deliveries_table,
    steps_table,
    ticket_row,
    tickets_table,
)
from tickets.told import dispatched
from tickets.working_days import Calendar

_COPIED = (
    "call_id",
    "channel",
    "phone",
    "name",
    "type",
    "category",
    "street",
    "urgency",
    "secret",
    "fields",
)
"""What a reopened matter's new ticket takes over from the old one."""


class TicketDesk:
    """Takes steps with tickets.

    Args:
        engine: a database with the tables of ``tickets.store.metadata``.
        calendar: counts working days.
        deadlines: how many of them a unit has.
        dispatch: whether steps are written down for delivery to another platform.
        clock: Unix seconds.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        calendar: Calendar,
        deadlines: Deadlines,
        dispatch: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._calendar = calendar
        self._deadlines = deadlines
        self._dispatch = dispatch
        self._clock = clock
        self._counting = asyncio.Lock()

    async def step(self, ticket_id: str, step: Step, *, who: str) -> dict[str, Any]:
        """Take one step; return the ticket (keys as ``TicketStore.get``).

        Raises:
            tickets.store.UnknownTicket: there is none.
            tickets.life.LifeError: the step is not allowed now; nothing was changed.
        """
        async with self._engine.begin() as connection:
            return await self.step_within(connection, ticket_id, step, who=who)

    async def step_within(
        self, connection: AsyncConnection, ticket_id: str, step: Step, *, who: str
    ) -> dict[str, Any]:
        """Do what ``step`` does within somebody else's transaction."""
        now = self._clock()
        row = await _locked(connection, ticket_id, now)
        await self._take(connection, row, step, who=who, now=now)
        return as_ticket(await ticket_row(connection, ticket_id))

    async def reopen(self, ticket_id: str, *, reason: str, new_id: str, who: str) -> dict[str, Any]:
        """Take a finished matter up again (再处置): return the new ticket, which links the old one.

        Raises:
            tickets.store.UnknownTicket: there is none.
            tickets.life.LifeError: it is not finished, or no reason is given.
        """
        async with self._engine.begin() as connection:
            return await self.reopen_within(
                connection, ticket_id, reason=reason, new_id=new_id, who=who
            )

    async def reopen_within(
        self, connection: AsyncConnection, ticket_id: str, *, reason: str, new_id: str, who: str
    ) -> dict[str, Any]:
        """Do what ``reopen`` does within somebody else's transaction."""
        now = self._clock()
        old = await _locked(connection, ticket_id, now)
        await self._take(connection, old, Step("reopen", note=reason), who=who, now=now)
        values = {name: getattr(old, name) for name in _COPIED}
        return await self.enter(
            connection, {**values, "id": new_id, "reopens": ticket_id}, note=reason, who=who
        )

    async def enter(
        self, connection: AsyncConnection, values: Mapping[str, Any], *, note: str, who: str
    ) -> dict[str, Any]:
        """Enter a submitted ticket that no call of ours made; ``values``: its columns."""
        now = self._clock()
        await connection.execute(
            tickets_table.insert().values(
                {
                    "agent_id": who,
                    "status": "submitted",
                    "created_at": now,
                    "updated_at": now,
                    "submitted_at": now,
                    "submitted_by": who,
                    **values,
                }
            )
        )
        new = await ticket_row(connection, values["id"])
        await self._note(connection, new, Step("submit", note=note), who=who, now=now)
        return as_ticket(new)

    async def count_by(self, calendar: Calendar, deadlines: Deadlines) -> int:
        """Count working days by these from now on, and anew what units have to do already.

        Returns:
            how many tickets have another deadline now. Safe to repeat, and on several nodes; of
            several at once each waits for the one before, and the newest counts.
        """
        self._calendar, self._deadlines = calendar, deadlines
        async with self._counting:
            return await self._count_anew(self._calendar, self._deadlines)

    async def _count_anew(self, calendar: Calendar, deadlines: Deadlines) -> int:
        columns = tickets_table.c
        query = sa.select(
            columns.id, columns.passed_at, columns.deadline_at, columns.type, columns.urgency
        ).where(columns.status == "passed", columns.passed_at.is_not(None))
        changed = 0
        async with self._engine.begin() as connection:
            for row in (await connection.execute(query)).all():
                days = deadlines.of(type_=row.type, urgency=row.urgency)
                deadline = calendar.deadline(row.passed_at, days)
                if deadline == row.deadline_at:
                    continue
                # Whoever has taken a step with it meanwhile has counted by himself.
                unmoved = (columns.id == row.id, columns.status == "passed")
                done = await connection.execute(
                    tickets_table.update()
                    .where(*unmoved, columns.passed_at == row.passed_at)
                    .values(deadline_at=deadline)
                )
                changed += done.rowcount
        return changed

    async def steps(self, ticket_id: str) -> list[dict[str, Any]]:
        """Return what was done with a ticket, oldest first: at, who, action, note, unit."""
        query = (
            sa.select(*(steps_table.c[key] for key in ("at", "who", "action", "note", "unit")))
            .where(steps_table.c.ticket_id == ticket_id)
            .order_by(steps_table.c.id)
        )
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def _take(
        self, connection: AsyncConnection, row: sa.Row[Any], step: Step, *, who: str, now: float
    ) -> None:
        working_days = self._deadlines.of(type_=row.type, urgency=row.urgency)
        state = take(_handling(row), step, now=now, working_days=working_days, by=self._calendar)
        await connection.execute(
            tickets_table.update()
            .where(tickets_table.c.id == row.id)
            .values(updated_at=now, **_as_columns(state))
        )
        after = await ticket_row(connection, row.id)
        await self._note(connection, after, step, who=who, now=now)

    async def _note(
        self, connection: AsyncConnection, row: sa.Row[Any], step: Step, *, who: str, now: float
    ) -> None:
        """Write the step down, and what the other platform shall hear of it."""
        await connection.execute(
            steps_table.insert().values(
                ticket_id=row.id,
                at=now,
                who=who,
                action=step.action,
                note=step.note.strip(),
                unit=step.unit,
            )
        )
        if self._dispatch:
            await connection.execute(
                deliveries_table.insert().values(
                    ticket_id=row.id,
                    created_at=now,
                    body=dispatched(row, step.action, note=step.note, now=now),
                    attempts=0,
                    next_at=now,
                )
            )


def _handling(row: sa.Row[Any]) -> Handling:
    review = None
    if row.reached is not None:
        review = Review(
            reached=row.reached,
            solved=row.solved,
            result=row.satisfied,
            unit=row.satisfied_unit,
            agent=row.satisfied_agent,
        )
    return Handling(
        status=row.status,
        unit=row.unit,
        submitted_at=row.submitted_at,
        passed_at=row.passed_at,
        deadline_at=row.deadline_at,
        ended_at=row.ended_at,
        returned=row.returned,
        urged=row.urged,
        supervised=row.supervised,
        review=review,
    )


def _as_columns(state: Handling) -> dict[str, Any]:
    review = state.review
    verdict = {
        "reached": review.reached if review else None,
        "solved": review.solved if review else None,
        "satisfied": review.result if review else None,
        "satisfied_unit": review.unit if review else None,
        "satisfied_agent": review.agent if review else None,
    }
    return {
        "status": state.status,
        "unit": state.unit,
        "submitted_at": state.submitted_at,
        "passed_at": state.passed_at,
        "deadline_at": state.deadline_at,
        "ended_at": state.ended_at,
        "returned": state.returned,
        "urged": state.urged,
        "supervised": state.supervised,
        **verdict,
    }


async def _locked(connection: AsyncConnection, ticket_id: str, now: float) -> sa.Row[Any]:
    # Writing first takes the row's lock on PostgreSQL and the database's on SQLite.
    touched = await connection.execute(
        tickets_table.update().where(tickets_table.c.id == ticket_id).values(updated_at=now)
    )
    if touched.rowcount != 1:
        raise UnknownTicket(ticket_id)
    return await ticket_row(connection, ticket_id)
