"""Handovers and letters in SQL: the book of the exchange, as far as an input concerns it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tickets.exchange.delivery import Delivery
from tickets.exchange.machine import Book, Handover, Key, Letter
from tickets.exchange.messages import AckMessage, Message, Wire
from tickets.tables import counted_id, metadata, tickets_table

handovers_table = sa.Table(
    "exchange_handovers",
    metadata,
    counted_id(),
    sa.Column("partner", sa.String(32), nullable=False),
    sa.Column("direction", sa.String(4), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("number", sa.String(64), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("ticket_id", sa.String(32), nullable=True, index=True),
    sa.Column("theirs", sa.String(64), nullable=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("rule", sa.String(64), nullable=True),
    sa.Column("reopens", sa.String(64), nullable=True),
    # What a partner said, until it stands in a ticket or is given back.
    sa.Column("matter", sa.JSON, nullable=False),
    sa.Column("said_at", sa.Float, nullable=False),
    sa.Column("call", sa.String(64), nullable=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("changed_at", sa.Float, nullable=False, index=True),
    sa.UniqueConstraint("partner", "direction", "kind", "number"),
)
letters_table = sa.Table(
    "exchange_letters",
    metadata,
    counted_id(),
    sa.Column("partner", sa.String(32), nullable=False),
    sa.Column("message_id", sa.String(100), nullable=False),
    # Null once the partner has it: what it says is not kept for nothing.
    sa.Column("body", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Float, nullable=True, index=True),
    sa.Column("acked_at", sa.Float, nullable=True),
    sa.Column("alarmed", sa.Boolean, nullable=False),
    sa.Column("error", sa.String(300), nullable=True),
    sa.UniqueConstraint("partner", "message_id"),
)

_BATCH = 50
_PLAIN = ("state", "step", "ticket_id", "theirs", "reason", "rule", "reopens", "matter", "said_at")
_COPIED = (*_PLAIN, "call", "created_at", "changed_at")


def _which(key: Key) -> sa.ColumnElement[bool]:
    table = handovers_table.c
    return sa.and_(
        table.partner == key.partner,
        table.direction == key.direction,
        table.kind == key.kind,
        table.number == key.number,
    )


def _handover(row: sa.Row[Any]) -> Handover:
    key = Key(row.partner, row.direction, row.kind, row.number)
    return Handover(key, **{name: getattr(row, name) for name in _COPIED})


async def load(
    connection: AsyncConnection,
    keys: Collection[Key],
    letters: Collection[tuple[str, str]],
    *,
    alarm_seconds: float,
) -> Book:
    """Return a book of these handovers and letters, their rows locked where the database can."""
    book = Book()
    for key in keys:
        query = sa.select(handovers_table).where(_which(key)).with_for_update()
        if (row := (await connection.execute(query)).one_or_none()) is not None:
            book.handovers[key] = _handover(row)
    for partner, message_id in letters:
        table = letters_table.c
        query = (
            sa.select(letters_table)
            .where(table.partner == partner, table.message_id == message_id)
            .with_for_update()
        )
        if (row := (await connection.execute(query)).one_or_none()) is not None:
            delivery = Delivery(
                row.created_at,
                row.next_at,
                row.attempts,
                row.acked_at,
                row.alarmed,
                row.error,
                alarm_seconds,
            )
            book.letters[partner, message_id] = Letter(
                partner, _message(row.body, message_id), delivery
            )
    return book


def _message(body: Mapping[str, Any] | None, message_id: str) -> Message:
    """Return a letter's message; of one that has arrived nothing is left but its name."""
    if body is None:
        return AckMessage(id=message_id, at=0.0, of=message_id)
    return Wire.validate_python(body)


async def save(connection: AsyncConnection, book: Book) -> None:
    """Store everything in a book.

    Raises:
        sqlalchemy.exc.IntegrityError: another node was faster with one of them.
    """
    for key, handover in book.handovers.items():
        values = {name: getattr(handover, name) for name in _COPIED}
        changed = await connection.execute(
            handovers_table.update().where(_which(key)).values(values)
        )
        if changed.rowcount == 0:
            names = {
                name: getattr(key, name) for name in ("partner", "direction", "kind", "number")
            }
            await connection.execute(handovers_table.insert().values({**names, **values}))
    for (partner, message_id), letter in book.letters.items():
        await _save_letter(connection, partner, message_id, letter)


async def _save_letter(
    connection: AsyncConnection, partner: str, message_id: str, letter: Letter
) -> None:
    table, delivery = letters_table.c, letter.delivery
    arrived = delivery.acked_at is not None
    values: dict[str, Any] = {
        "attempts": delivery.attempts,
        "next_at": delivery.deadline,
        "acked_at": delivery.acked_at,
        "alarmed": delivery.alarmed,
        "error": delivery.error,
        **({"body": None} if arrived else {}),
    }
    changed = await connection.execute(
        letters_table.update()
        .where(table.partner == partner, table.message_id == message_id)
        .values(values)
    )
    if changed.rowcount == 0:
        body = letter.message.model_dump(mode="json", exclude_none=True)
        await connection.execute(
            letters_table.insert().values(
                {
                    "partner": partner,
                    "message_id": message_id,
                    "created_at": delivery.created_at,
                    "body": body,
                    **values,
                }
            )
        )


async def due_letters(connection: AsyncConnection, now: float) -> list[tuple[str, str]]:
    """Return which letters are due, oldest first, up to a batch."""
    table = letters_table.c
    query = (
        sa.select(table.partner, table.message_id)
        .where(table.next_at <= now)
        .order_by(table.id)
        .limit(_BATCH)
    )
    return [(row.partner, row.message_id) for row in await connection.execute(query)]


async def hurry(connection: AsyncConnection, now: float) -> None:
    """Let every letter that is under way be due: the broker is back."""
    table = letters_table.c
    await connection.execute(letters_table.update().where(table.next_at > now).values(next_at=now))


async def ended_tickets(connection: AsyncConnection) -> list[tuple[Key, str]]:
    """Return partners' tickets that have been answered or closed, and our ticket of each."""
    ours = tickets_table.c
    query = (
        sa.select(handovers_table, ours.id.label("ours"))
        .join(tickets_table, ours.id == handovers_table.c.ticket_id)
        .where(
            handovers_table.c.direction == "in",
            handovers_table.c.state == "accepted",
            ours.ended_at.is_not(None),
        )
        .limit(_BATCH)
    )
    return [(_handover(row).key, row.ours) for row in await connection.execute(query)]


async def forget(connection: AsyncConnection, before: float) -> None:
    """Forget what has been of no use since then: partners' drafts, and letters given up."""
    drafts, letters = handovers_table.c, letters_table.c
    await connection.execute(
        handovers_table.delete().where(
            drafts.kind == "draft", drafts.direction == "in", drafts.changed_at < before
        )
    )
    await connection.execute(
        letters_table.update()
        .where(letters.next_at.is_(None), letters.body.is_not(None), letters.created_at < before)
        .values(body=None)
    )


def of_agent(agent_id: str) -> sa.ColumnElement[bool]:
    """Return the condition that a handover's ticket is this agent's."""
    tickets = tickets_table.c
    own = sa.select(tickets.id).where(tickets.agent_id == agent_id)
    return handovers_table.c.ticket_id.in_(own)


async def find(
    connection: AsyncConnection,
    conditions: Iterable[sa.ColumnElement[bool]],
    *,
    limit: int,
    offset: int = 0,
    oldest_first: bool = False,
) -> list[dict[str, Any]]:
    """Return handovers as dicts, the ones that changed last first; with how their letter goes."""
    table, letters = handovers_table.c, letters_table.c
    order = table.changed_at, table.id
    first = table.kind + ":" + table.number + ":1"
    query = (
        sa.select(
            handovers_table, letters.acked_at, letters.attempts, letters.alarmed, letters.error
        )
        .outerjoin(
            letters_table,
            sa.and_(
                letters.partner == table.partner,
                table.direction == "out",
                letters.message_id == first,
            ),
        )
        .where(*conditions)
        .order_by(*(order if oldest_first else (column.desc() for column in order)))
        .limit(limit)
        .offset(offset)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]
