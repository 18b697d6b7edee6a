"""What redaction takes out of tickets in the database, and of all that repeats it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tickets.exchange.blackening import redact_exchanged
from tickets.fields import AS_SAID
from tickets.store import changes_table, columns, deliveries_table, steps_table, tickets_table


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is taken out.

    Attributes:
        fields: returns a ticket's fields without it.
        text: returns a text without it.
        repeats: tells whether a value repeats of it.
        mark: stands in the history for a value that was taken out.
    """

    fields: Callable[[Mapping[str, Any]], dict[str, Any]]
    text: Callable[[str], str]
    repeats: Callable[[str], bool]
    mark: str


async def redact(connection: AsyncConnection, call_id: str, redaction: Redaction) -> None:
    """Take words out of a call's tickets, their changes and steps, and what is told of these.

    Args:
        connection: in a transaction.
        call_id: the call.
        redaction: what is taken out.
    """
    query = sa.select(tickets_table).where(tickets_table.c.call_id == call_id)
    for row in (await connection.execute(query)).all():
        left = redaction.fields(row.fields)
        await connection.execute(
            tickets_table.update().where(tickets_table.c.id == row.id).values(columns(left))
        )
        gone = {
            name for name, field in row.fields.items() if field["value"] and not left[name]["value"]
        }
        await _redact_changes(connection, row.id, gone, left, redaction)
        await _redact_steps(connection, row.id, redaction)
        await _redact_deliveries(connection, row.id, gone, redaction)

        def told(name: str, value: Any, gone: set[str] = gone) -> Any:
            return _told(name, value, gone, redaction)

        await redact_exchanged(connection, row.id, value=told, text=redaction.text)


def _told(name: str, value: Any, gone: set[str], redaction: Redaction) -> Any:
    """Return what others may still be told that a field says."""
    if name in gone:
        return None
    return redaction.text(value) if isinstance(value, str) else value


async def _redact_changes(
    connection: AsyncConnection,
    ticket_id: str,
    gone: set[str],
    left: Mapping[str, Any],
    redaction: Redaction,
) -> None:
    """Leave nothing that an emptied field ever held, and no such words of the others.

    A change doesn't tell when its value was said: what an agent corrected since goes by its words.
    """

    def without(field: str, value: Any) -> Any:
        if not isinstance(value, str) or not value:
            return value
        if field == "content":
            return redaction.text(value)
        heard_there = value != left[field]["value"] and redaction.repeats(value)
        return redaction.mark if field in gone or heard_there else value

    changes = changes_table.c
    query = sa.select(changes_table).where(
        changes.ticket_id == ticket_id, changes.field.in_({*gone, *AS_SAID, "content"})
    )
    for row in (await connection.execute(query)).all():
        values = {"before": without(row.field, row.before), "after": without(row.field, row.after)}
        await connection.execute(changes_table.update().where(changes.id == row.id).values(values))


async def _redact_steps(connection: AsyncConnection, ticket_id: str, redaction: Redaction) -> None:
    steps = steps_table.c
    query = sa.select(steps.id, steps.note).where(steps.ticket_id == ticket_id, steps.note != "")
    for row in (await connection.execute(query)).all():
        await connection.execute(
            steps_table.update().where(steps.id == row.id).values(note=redaction.text(row.note))
        )


async def _redact_deliveries(
    connection: AsyncConnection, ticket_id: str, gone: set[str], redaction: Redaction
) -> None:
    """Change what still waits for another platform, and what is kept of what it has."""
    deliveries = deliveries_table.c
    query = sa.select(deliveries.id, deliveries.body).where(deliveries.ticket_id == ticket_id)
    for row in (await connection.execute(query)).all():
        told = {
            name: _told(name, value, gone, redaction) for name, value in row.body["fields"].items()
        }
        body = {**row.body, "fields": told, "note": redaction.text(row.body["note"] or "")}
        await connection.execute(
            deliveries_table.update().where(deliveries.id == row.id).values(body=body)
        )
