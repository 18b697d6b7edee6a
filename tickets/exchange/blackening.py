"""What redaction takes out of what partners said, and of what they are still to be told."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tickets.exchange.store import handovers_table, letters_table
from tickets.secrecy import for_units, note_for_units


async def redact_exchanged(
    connection: AsyncConnection,
    ticket_id: str,
    *,
    value: Callable[[str, Any], Any],
    text: Callable[[str], str],
) -> None:
    """Take words out of a ticket's handovers, and of the letters that no partner has yet.

    Args:
        connection: in a transaction.
        ticket_id: our ticket.
        value: returns what a field of the matter may still say, by its name and value.
        text: returns a text without the words.
    """
    handovers = handovers_table.c
    query = sa.select(handovers_table).where(handovers.ticket_id == ticket_id)
    for row in (await connection.execute(query)).all():
        await connection.execute(
            handovers_table.update()
            .where(handovers.id == row.id)
            .values(reason=text(row.reason), matter=_without(row.matter, value))
        )
    await redact_letters(connection, ticket_id, value=value, text=text)


async def redact_letters(
    connection: AsyncConnection,
    ticket_id: str,
    *,
    value: Callable[[str, Any], Any],
    text: Callable[[str], str],
) -> None:
    """Take words out of the letters about a ticket that no partner has yet.

    Args: as `redact_exchanged`.
    """
    handovers, letters = handovers_table.c, letters_table.c
    about = sa.select(handovers.partner, handovers.number).where(handovers.ticket_id == ticket_id)
    numbers = {(row.partner, row.number) for row in await connection.execute(about)}
    waiting = sa.select(letters.id, letters.partner, letters.body).where(
        letters.body.is_not(None), letters.partner.in_({partner for partner, _ in numbers})
    )
    for row in (await connection.execute(waiting)).all():
        if (row.partner, row.body.get("number")) not in numbers:
            continue
        body = {**row.body}
        if "reason" in body:
            body["reason"] = text(body["reason"])
        if "matter" in body:
            body["matter"] = _without(body["matter"], value)
        await connection.execute(
            letters_table.update().where(letters.id == row.id).values(body=body)
        )


async def hide_citizen(
    connection: AsyncConnection, ticket_id: str, fields: Mapping[str, Mapping[str, Any]]
) -> None:
    """Let the letters that no partner has yet say of a ticket what units may see of a secret one.

    Args:
        connection: in a transaction that has the ticket's lock.
        ticket_id: our ticket, which has become secret.
        fields: as they are stored, secret.
    """
    values = {name: field["value"] for name, field in fields.items()}

    def hidden(name: str, said: Any) -> Any:
        return for_units({**values, name: said, "secret": True})[name]

    await redact_letters(connection, ticket_id, value=hidden, text=partial(note_for_units, fields))


def _without(matter: Mapping[str, Any], value: Callable[[str, Any], Any]) -> dict[str, Any]:
    return {name: value(name, said) for name, said in matter.items()}
