"""A wish for secrecy that is heard once the ticket was submitted.

A submitted ticket is closed to whatever else is said. This alone still counts: from then on the
ticket is secret, for everybody who looks at it and for what has not left the hotline yet.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tickets.draft import Utterance
from tickets.exchange.blackening import hide_citizen
from tickets.fields import FieldChange, FieldValue
from tickets.heard import LIKELY
from tickets.intent import wants_secrecy
from tickets.secrecy import for_units, note_for_units
from tickets.store import (
    TicketStore,
    changes_table,
    columns,
    deliveries_table,
    locked_row,
    ticket_row,
)
from tickets.store import tickets_table as tickets
from tickets.told import dispatched


def wish_for_secrecy(said: Utterance) -> FieldValue | None:
    """Return the field ``secret`` as an utterance makes it; None: it does not ask for secrecy."""
    words = wants_secrecy(said.text) if said.speaker == "caller" else None
    if words is None:
        return None
    start = said.text.index(words)
    sure = LIKELY if said.confidence is None else round(LIKELY * said.confidence, 2)
    return FieldValue(
        value=True,
        source="heard",
        evidence=words,
        confidence=sure,
        passage=said.passage(start, start + len(words)),
    )


def grant(fields: Mapping[str, FieldValue], wish: FieldValue) -> list[FieldChange]:
    """Return what a wish changes: nothing where it is known, or the agent has decided."""
    known = fields["secret"]
    return [] if known.value or known.source == "agent" else [FieldChange("secret", wish)]


async def keep_secret(
    store: TicketStore, ticket_id: str, wish: FieldValue, *, now: float
) -> list[FieldChange]:
    """Make a stored ticket secret; return what changed. Safe to repeat.

    What has not arrived yet, at another platform or at partners, is made anew as units may see it;
    a platform that has been told of the ticket is told that it is secret (action ``secret``).

    Args:
        store: has the ticket.
        ticket_id: of a ticket, submitted or not.
        wish: as `wish_for_secrecy` returns it.
        now: Unix seconds.

    Raises:
        tickets.store.UnknownTicket: there is none.
        sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
    """
    this = tickets.c.id == ticket_id
    async with store.begin() as connection:
        row = await locked_row(connection, ticket_id)
        stored = {name: FieldValue.from_dict(field) for name, field in row.fields.items()}
        changes = grant(stored, wish)
        for change in changes:
            fields = {**row.fields, change.field: change.now.to_dict()}
            values = {"updated_at": now, **columns(fields)}
            await connection.execute(tickets.update().where(this).values(values))
            await _note(connection, ticket_id, change, now)
            await _tell_platform(connection, ticket_id, now)
            await hide_citizen(connection, ticket_id, fields)
        return changes


async def _note(
    connection: AsyncConnection, ticket_id: str, change: FieldChange, now: float
) -> None:
    await connection.execute(
        changes_table.insert().values(
            ticket_id=ticket_id,
            at=now,
            who=change.source,
            field=change.field,
            before=False,
            after=change.value,
        )
    )


async def _tell_platform(connection: AsyncConnection, ticket_id: str, now: float) -> None:
    table = deliveries_table
    query = sa.select(table).where(table.c.ticket_id == ticket_id)
    deliveries = (await connection.execute(query)).all()
    for delivery in deliveries:
        if delivery.next_at is not None:
            await connection.execute(
                table.update().where(table.c.id == delivery.id).values(body=_secret(delivery.body))
            )
    if deliveries:
        row = await ticket_row(connection, ticket_id)
        told = {"body": dispatched(row, "secret", now=now), "attempts": 0, "next_at": now}
        await connection.execute(table.insert().values(ticket_id=ticket_id, created_at=now, **told))


def _secret(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what another platform is told, as it is of a secret ticket."""
    values = {**body["fields"], "secret": True}
    fields = {name: {"value": value} for name, value in values.items()}
    return {**body, "note": note_for_units(fields, body["note"]), "fields": for_units(values)}
