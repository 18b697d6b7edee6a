"""What a partner may be given of a ticket, and the letter that gives it to him."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from tickets.exchange.machine import Key, Send
from tickets.exchange.messages import Matter
from tickets.secrecy import for_units, note_for_units
from tickets.store import locked_row


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A ticket or draft of ours to be handed over.

    A wish for secrecy may come meanwhile: so what it says is composed within the transaction that
    stores the letter. Whoever makes the ticket secret then waits, and finds the letter.

    Args:
        key: its number is our ticket's.
        allowed: the fields that the partner may be given.
        reopens: see ``Send``.
        reason: why, as our side wrote it.
    """

    key: Key
    allowed: Collection[str]
    reopens: str | None = None
    reason: str = ""

    async def compose(self, connection: AsyncConnection) -> Send:
        """Return what the machine is told; the ticket stays as it is until the transaction ends.

        Raises:
            tickets.store.UnknownTicket: there is none.
        """
        ticket = await locked_row(connection, self.key.number)
        return Send(
            self.key,
            shared(ticket.fields, self.allowed),
            ticket.id,
            reopens=self.reopens,
            reason=note_for_units(ticket.fields, self.reason),
            call=ticket.call_id or None,
        )


def shared(fields: Mapping[str, Mapping[str, Any]], allowed: Collection[str]) -> Matter:
    """Return the fields of a stored ticket that the directory allows for a partner.

    Where the citizen asked for secrecy they hold neither his name nor his number, nor numbers that
    he said on the way: also a partner is a unit (:mod:`tickets.secrecy`).
    """
    values = for_units({name: entry["value"] for name, entry in fields.items()})
    chosen = {name: values.get(name) for name in Matter.model_fields if name in allowed}
    return Matter.model_validate({name: value for name, value in chosen.items() if value != ""})
