"""Tickets in the database, and who changed what when.

Works on SQLite (aiosqlite) and PostgreSQL (asyncpg). The schema is made by the migrations of
``hotline``; ``metadata`` is what they are compared with.
"""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tickets.draft import TicketDraft, filled_in
from tickets.exchange.blackening import hide_citizen
from tickets.fields import FieldChange, FieldValue
from tickets.sorting import SortingSource
from tickets.tables import (
    changes_table,
    counted_id,
    deliveries_table,
    metadata,
    steps_table,
    tickets_table,
)
from tickets.told import dispatched

__all__ = [
    "AlreadySubmitted",
    "StoreError",
    "TicketStore",
    "UnknownTicket",
    "as_ticket",
    "changes_table",
    "columns",
    "counted_id",
    "deliveries_table",
    "locked_row",
    "metadata",
    "steps_table",
    "street_of",
    "ticket_row",
    "tickets_table",
]

_MIRRORED = ("phone", "name", "type", "category", "urgency", "secret")
"""Fields that also have a column of their own, for queries."""

# Executed for each call: built once, since that costs as much as executing them.
_INSERT = tickets_table.insert()
_OF_CALLER = (
    sa.select(tickets_table)
    .where(
        tickets_table.c.phone == sa.bindparam("number"),
        tickets_table.c.secret.is_(sa.false()),
        tickets_table.c.id != sa.bindparam("except_for"),
    )
    .order_by(tickets_table.c.id.desc())
    .limit(sa.bindparam("at_most"))
)
_TOUCH_DRAFT = (
    tickets_table.update()
    .where(tickets_table.c.id == sa.bindparam("ticket"), tickets_table.c.status == "draft")
    .values(updated_at=sa.bindparam("now"))
)
_SELECT = sa.select(tickets_table).where(tickets_table.c.id == sa.bindparam("ticket"))
# Takes the row's lock on PostgreSQL and the database's on SQLite, and changes nothing.
_LOCK = (
    tickets_table.update()
    .where(tickets_table.c.id == sa.bindparam("ticket"))
    .values(updated_at=tickets_table.c.updated_at)
)
# Which columns are set is told by the row.
_UPDATE = tickets_table.update().where(tickets_table.c.id == sa.bindparam("ticket"))
_INSERT_CHANGE = changes_table.insert()

_STREET = re.compile(r"[\u4e00-\u9fff]{2,8}?(?:街道|镇|乡)(?!\w*(?:街道|镇|乡))")


class StoreError(Exception):
    """What a store refuses: ``UnknownTicket`` or ``AlreadySubmitted``."""


class UnknownTicket(StoreError):
    """There is no ticket of that number."""


class AlreadySubmitted(StoreError):
    """The ticket was submitted before and cannot be changed or submitted again."""


class TicketStore:
    """Tickets and their history in SQL.

    Args:
        engine: a SQLAlchemy engine whose database has the tables of ``metadata``.
        reader: an engine of the same database for what each call looks up; where it is left out,
            that one.
        clock: Unix seconds.
        sorting: knows the categories that a correction may name.
        dispatch: whether what is submitted is written down for delivery to another platform.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        reader: AsyncEngine | None = None,
        clock: Callable[[], float] = time.time,
        sorting: SortingSource | None = None,
        dispatch: bool = False,
    ) -> None:
        self._dispatch = dispatch
        self._engine = engine
        self._reader = reader or engine
        self._sorting = sorting or SortingSource()
        self._clock = clock

    async def create(self, draft: TicketDraft, *, call_id: str, agent_id: str | None) -> None:
        """Store a new draft.

        Raises:
            sqlalchemy.exc.IntegrityError: a ticket of that number exists.
        """
        now = self._clock()
        row = {
            "id": draft.ticket_id,
            "call_id": call_id,
            "agent_id": agent_id,
            "status": "draft",
            "created_at": now,
            "updated_at": now,
            **columns(_as_json(draft.fields)),
        }
        async with self._engine.begin() as connection:
            # (with the commit, where the driver knows how)
            await connection.execute(_INSERT, row, execution_options={"deferred": True})

    async def save(self, draft: TicketDraft, *, agent_id: str | None = None) -> int:
        """Store the draft's fields; return how many values differ from what was stored.

        Args:
            draft: the whole draft.
            agent_id: who corrected; the ticket's own agent when None.

        Raises:
            UnknownTicket: it was never created.
            AlreadySubmitted: it is no draft any more.
        """
        async with self._engine.begin() as connection:
            now = self._clock()
            row = await _draft_row(connection, draft.ticket_id, now)
            return await _write(connection, row, _as_json(draft.fields), agent_id, now)

    async def correct(
        self, ticket_id: str, changes: Mapping[str, object], *, agent_id: str
    ) -> dict[str, Any]:
        """Correct fields of a stored draft whose call is over; return the ticket.

        Raises:
            TicketError: a field cannot hold its value; nothing was changed.
            UnknownTicket: there is none.
            AlreadySubmitted: it is no draft any more.
        """
        async with self._engine.begin() as connection:
            now = self._clock()
            row = await _draft_row(connection, ticket_id, now)
            draft = TicketDraft(ticket_id, None, tree=self._sorting.current().tree)
            draft.fields = {name: FieldValue.from_dict(field) for name, field in row.fields.items()}
            for field, value in changes.items():
                draft.check(field, value)
            for field, value in changes.items():
                draft.correct(field, value)
            await _write(connection, row, _as_json(draft.fields), agent_id, now)
            return as_ticket(await ticket_row(connection, ticket_id))

    async def of_call(self, call_id: str) -> list[dict[str, Any]]:
        """Return a call's tickets, oldest first."""
        query = sa.select(tickets_table).where(tickets_table.c.call_id == call_id)
        query = query.order_by(tickets_table.c.id)
        async with self._engine.connect() as connection:
            return [as_ticket(row) for row in await connection.execute(query)]

    async def fill_in(self, heard_again: TicketDraft) -> list[FieldChange]:
        """Add to a stored draft what a second hearing of its call found; return what changed.

        Raises:
            UnknownTicket: there is none.
            AlreadySubmitted: it is no draft any more.
        """
        async with self._engine.begin() as connection:
            now = self._clock()
            row = await _draft_row(connection, heard_again.ticket_id, now)
            stored = {name: FieldValue.from_dict(field) for name, field in row.fields.items()}
            changes = filled_in(stored, heard_again.fields)
            stored |= {change.field: change.now for change in changes}
            if changes:
                await _write(connection, row, _as_json(stored), None, now)
            return changes

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Begin a transaction for what another module does with tickets."""
        return self._engine.begin()

    async def hand_over(self, ticket_id: str, *, agent_id: str) -> None:
        """Let a draft be another agent's; nothing happens when it is no draft any more."""
        now = self._clock()
        async with self._engine.begin() as connection:
            row = await connection.execute(
                sa.select(tickets_table.c.agent_id).where(
                    tickets_table.c.id == ticket_id, tickets_table.c.status == "draft"
                )
            )
            before = row.scalar_one_or_none()
            if before in (None, agent_id):
                return
            await connection.execute(
                tickets_table.update()
                .where(tickets_table.c.id == ticket_id)
                .values(agent_id=agent_id, updated_at=now)
            )
            await connection.execute(
                changes_table.insert().values(
                    ticket_id=ticket_id,
                    at=now,
                    who=before,
                    field="agent_id",
                    before=before,
                    after=agent_id,
                )
            )

    async def submit(self, ticket_id: str, *, agent_id: str) -> dict[str, Any]:
        """Submit a draft, once; return the ticket.

        Raises:
            UnknownTicket: there is none.
            AlreadySubmitted: somebody was faster, maybe on another node.
        """
        now = self._clock()
        async with self._engine.begin() as connection:
            done = await connection.execute(
                tickets_table.update()
                .where(tickets_table.c.id == ticket_id, tickets_table.c.status == "draft")
                .values(status="submitted", submitted_at=now, submitted_by=agent_id, updated_at=now)
            )
            row = await ticket_row(connection, ticket_id)
            if done.rowcount != 1:
                raise AlreadySubmitted(ticket_id)
            await connection.execute(
                changes_table.insert().values(
                    ticket_id=ticket_id,
                    at=now,
                    who=agent_id,
                    field="status",
                    before="draft",
                    after="submitted",
                )
            )
            await connection.execute(
                steps_table.insert().values(
                    ticket_id=ticket_id, at=now, who=agent_id, action="submit", note=""
                )
            )
            if self._dispatch:
                await connection.execute(
                    deliveries_table.insert().values(
                        ticket_id=ticket_id,
                        created_at=now,
                        body=dispatched(row, "submit", now=now),
                        attempts=0,
                        next_at=now,
                    )
                )
            return as_ticket(row)

    async def get(self, ticket_id: str) -> dict[str, Any] | None:
        """Return a ticket as dict, or None.

        Keys: id, call_id, agent_id, status, created_at, updated_at, submitted_at, submitted_by,
        fields (``{name: {"value", "source", "evidence"}}``), street, and the handling: unit,
        passed_at, deadline_at, ended_at, returned, urged, supervised, reopens (the ticket that this
        one takes up again), reached, solved, satisfied, satisfied_unit, satisfied_agent.
        """
        async with self._engine.connect() as connection:
            try:
                return as_ticket(await ticket_row(connection, ticket_id))
            except UnknownTicket:
                return None

    async def list_(
        self,
        *,
        agent_id: str | None = None,
        status: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return tickets, newest first."""
        query = sa.select(tickets_table).order_by(tickets_table.c.id.desc())
        if agent_id is not None:
            query = query.where(tickets_table.c.agent_id == agent_id)
        if status is not None:
            query = query.where(tickets_table.c.status == status)
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.limit(limit).offset(offset))
            return [as_ticket(row) for row in rows]

    async def recent(self, category: str, *, since: float) -> list[dict[str, Any]]:
        """Return the tickets of a category made since then, oldest first."""
        query = (
            sa.select(tickets_table)
            .where(tickets_table.c.category == category, tickets_table.c.created_at >= since)
            .order_by(tickets_table.c.id)
        )
        async with self._engine.connect() as connection:
            return [as_ticket(row) for row in await connection.execute(query)]

    async def of_caller(
        self, number: str, *, before: str | None = None, limit: int = 5
    ) -> list[dict[str, Any]]:
        """Return the last tickets with this call-back number, newest first.

        Secret ones are left out: a telephone may be shared.

        Args:
            number: as dialled.
            before: leave out this ticket itself.
            limit: at most so many.
        """
        values = {"number": number, "except_for": before or "", "at_most": limit}
        async with self._reader.connect() as connection:
            return [as_ticket(row) for row in await connection.execute(_OF_CALLER, values)]

    async def changes(self, ticket_id: str) -> list[dict[str, Any]]:
        """Return a ticket's history, oldest first: at, who, field, before, after."""
        query = (
            sa.select(changes_table)
            .where(changes_table.c.ticket_id == ticket_id)
            .order_by(changes_table.c.id)
        )
        async with self._engine.connect() as connection:
            rows = await connection.execute(query)
            return [
                {key: row._mapping[key] for key in ("at", "who", "field", "before", "after")}  # noqa: SLF001 -- SQLAlchemy's public name
                for row in rows
            ]


def _as_json(fields: Mapping[str, FieldValue]) -> dict[str, dict[str, Any]]:
    return {name: field.to_dict() for name, field in fields.items()}


def columns(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the columns that hold a ticket's fields, and those that mirror some of them."""
    mirrored = {name: fields[name]["value"] for name in _MIRRORED}
    return {"fields": fields, "street": street_of(fields["address"]["value"]), **mirrored}


def street_of(address: str | None) -> str | None:
    """Return the street office, town or township (街道, 镇, 乡) that an address names, or None.

    >>> street_of("太仓市城厢镇县府街12号")
    '城厢镇'
    """
    found = _STREET.search(address or "")
    if found is None:
        return None
    return re.split(r"[省市区县]", found.group())[-1] or None


def as_ticket(row: sa.Row[Any]) -> dict[str, Any]:
    """Return a row as the dict that :meth:`TicketStore.get` describes."""
    ticket = dict(row._mapping)  # noqa: SLF001 -- SQLAlchemy's public name
    for name in _MIRRORED:
        del ticket[name]
    return ticket


async def ticket_row(connection: AsyncConnection, ticket_id: str) -> sa.Row[Any]:
    """Return a ticket's row.

    Raises:
        UnknownTicket: there is none.
    """
    row = (await connection.execute(_SELECT, {"ticket": ticket_id})).one_or_none()
    if row is None:
        raise UnknownTicket(ticket_id)
    return row


async def locked_row(connection: AsyncConnection, ticket_id: str) -> sa.Row[Any]:
    """Return a ticket's row, which stays as it is until the transaction ends.

    Raises:
        UnknownTicket: there is none.
    """
    await connection.execute(_LOCK, {"ticket": ticket_id})
    return await ticket_row(connection, ticket_id)


async def _draft_row(connection: AsyncConnection, ticket_id: str, now: float) -> sa.Row[Any]:
    # Writing first takes the row's lock on PostgreSQL and the database's on SQLite, so that what
    # is read next stays true until the transaction ends.
    touched = await connection.execute(_TOUCH_DRAFT, {"ticket": ticket_id, "now": now})
    row = await ticket_row(connection, ticket_id)
    if touched.rowcount != 1:
        raise AlreadySubmitted(ticket_id)
    return row


async def _write(
    connection: AsyncConnection,
    row: sa.Row[Any],
    fields: Mapping[str, Mapping[str, Any]],
    agent_id: str | None,
    now: float,
) -> int:
    history = [
        {
            "ticket_id": row.id,
            "at": now,
            "who": (agent_id or row.agent_id or "agent")
            if field["source"] == "agent"
            else field["source"],
            "field": name,
            "before": row.fields.get(name, {}).get("value"),
            "after": field["value"],
        }
        for name, field in fields.items()
        if row.fields.get(name, {}).get("value") != field["value"]
    ]
    values = {"ticket": row.id, "updated_at": now, **columns(fields)}
    await connection.execute(_UPDATE, values)
    if history:
        await connection.execute(_INSERT_CHANGE, history)
    if fields["secret"]["value"] and not row.secret:
        await hide_citizen(connection, row.id, fields)
    return len(history)
