"""What redaction takes out of tickets in the database, and of all that repeats it."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tickets.store import changes_table, columns, deliveries_table, steps_table, tickets_table


async def redact(
    connection: AsyncConnection,
    call_id: str,
    *,
    fields: Callable[[Mapping[str, Any]], dict[str, Any]],
    text: Callable[[str], str],
    mark: str,
) -> None:
    """Take words out of a call's tickets, their changes and steps, and what is told of these.

    Args:
        connection: in a transaction.
        call_id: the call.
        fields: returns a ticket's fields without them.
        text: returns a text without them.
        mark: stands in the history for a value that was taken out.
    """
    query = sa.select(tickets_table).where(tickets_table.c.call_id == call_id)
    for row in (await connection.execute(query)).all():
        left = fields(row.fields)
        await connection.execute(
            tickets_table.update().where(tickets_table.c.id == row.id).values(columns(left))
        )
        gone = {
            name for name, field in row.fields.items() if field["value"] and not left[name]["value"]
        }
        await _redact_changes(connection, row.id, gone, text=text, mark=mark)
        await _redact_steps(connection, row.id, text)
        await _redact_deliveries(connection, row.id, gone, text)


async def _redact_changes(
    connection: AsyncConnection,
    ticket_id: str,
    gone: set[str],
    *,
    text: Callable[[str], str],
    mark: str,
) -> None:
    """Leave nothing that an emptied field ever held, and no such words of the content."""
    changes = changes_table.c
    query = sa.select(changes_table).where(
        changes.ticket_id == ticket_id, changes.field.in_({*gone, "content"})
    )
    for row in (await connection.execute(query)).all():
        before, after = (
            value and (mark if row.field in gone else text(value))
            for value in (row.before, row.after)
        )
        await connection.execute(
            changes_table.update().where(changes.id == row.id).values(before=before, after=after)
        )


async def _redact_steps(
    connection: AsyncConnection, ticket_id: str, text: Callable[[str], str]
) -> None:
    steps = steps_table.c
    query = sa.select(steps.id, steps.note).where(steps.ticket_id == ticket_id, steps.note != "")
    for row in (await connection.execute(query)).all():
        await connection.execute(
            steps_table.update().where(steps.id == row.id).values(note=text(row.note))
        )


async def _redact_deliveries(
    connection: AsyncConnection, ticket_id: str, gone: set[str], text: Callable[[str], str]
) -> None:
    """Change what still waits for another platform, and what is kept of what it has."""
    deliveries = deliveries_table.c
    query = sa.select(deliveries.id, deliveries.body).where(deliveries.ticket_id == ticket_id)
    for row in (await connection.execute(query)).all():
        told = {
            name: None if name in gone else text(value) if isinstance(value, str) else value
            for name, value in row.body["fields"].items()
        }
        body = {**row.body, "fields": told, "note": text(row.body["note"] or "")}
        await connection.execute(
            deliveries_table.update().where(deliveries.id == row.id).values(body=body)
        )
