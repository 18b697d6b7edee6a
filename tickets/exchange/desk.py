"""What the exchange does with our own tickets, within its transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from tickets.draft import TicketDraft
from tickets.exchange.machine import Close, Effect, GiveBack, PassOn, PutAway, TakeIn
from tickets.fields import FieldValue, TicketError, check
from tickets.handling import TicketDesk
from tickets.life import LONGEST_NOTE, LifeError, Step
from tickets.store import UnknownTicket, columns

log = structlog.get_logger(__name__)

CHANNEL = "互转"
"""Which way tickets of partners come in."""


class ExchangeDesk:
    """Performs the effects that concern our tickets.

    Args:
        desk: takes steps with tickets.
        names: what partners are called, by their id.
    """

    def __init__(self, desk: TicketDesk, names: Mapping[str, str]) -> None:
        self._desk = desk
        self._names = names

    async def perform(
        self,
        connection: AsyncConnection,
        effects: Sequence[Effect],
        *,
        who: str,
        agent_id: str | None = None,
    ) -> list[tuple[dict[str, Any], Step]]:
        """Perform what concerns our tickets; return each ticket with the step that was taken.

        What is taken in is the ticket of ``agent_id``, or nobody's.

        Raises:
            tickets.life.LifeError, tickets.store.UnknownTicket: our ticket cannot be handed over.
        """
        done = []
        for effect in effects:
            match effect:
                case TakeIn():
                    done += await self._take_in(connection, effect, agent_id)
                case PassOn(ticket_id, partner):
                    step = Step("pass_on", unit=self._names[partner])
                    ticket = await self._desk.step_within(connection, ticket_id, step, who=who)
                    done.append((ticket, step))
                case GiveBack(ticket_id, partner, reason):
                    step = Step("give_back", note=reason or "退回")
                    done += await self._try(connection, ticket_id, step, partner)
                case Close(ticket_id, partner, result):
                    step = Step("close", note=result or "已办结")
                    done += await self._try(connection, ticket_id, step, partner)
                case PutAway(ticket_id, reason):
                    step = Step("answer", note=f"已退回：{reason}"[:LONGEST_NOTE])
                    done += await self._try(connection, ticket_id, step, who)
                case _:
                    pass
        return done

    async def _try(
        self, connection: AsyncConnection, ticket_id: str, step: Step, who: str
    ) -> list[tuple[dict[str, Any], Step]]:
        """Take a step that a partner wants; the desk may have gone its own way meanwhile."""
        try:
            ticket = await self._desk.step_within(connection, ticket_id, step, who=who)
        except (LifeError, UnknownTicket) as error:
            log.warning("exchange_step_not_taken", ticket_id=ticket_id, error=str(error))
            return []
        return [(ticket, step)]

    async def _take_in(
        self, connection: AsyncConnection, effect: TakeIn, agent_id: str | None
    ) -> list[tuple[dict[str, Any], Step]]:
        values = {
            "id": effect.ticket_id,
            "call_id": "",
            "agent_id": agent_id,
            "channel": CHANNEL,
            "reopens": effect.reopens,
            **columns(_fields(effect)),
        }
        done = []
        if effect.reopens is not None:
            step = Step("reopen", note=effect.reason or "再处置")
            done = await self._try(connection, effect.reopens, step, effect.partner)
        note = f"{self._names[effect.partner]}互派 {effect.reason}".strip()
        ticket = await self._desk.enter(connection, values, note=note, who=effect.partner)
        return [*done, (ticket, Step("submit", note=note))]


def _fields(effect: TakeIn) -> dict[str, dict[str, Any]]:
    """Return a ticket's fields as the partner says; what ours cannot hold stands in the content."""
    fields = dict(TicketDraft(effect.ticket_id, None).fields)
    left = []
    for name, value in effect.matter.items():
        try:
            fields[name] = FieldValue(check(name, value), "partner")
        except TicketError:
            left.append(f"{name}: {value}")
    if left:
        said = "\n".join((str(fields["content"].value or ""), *left)).strip()
        fields["content"] = FieldValue(said, "partner")
    return {name: value.to_dict() for name, value in fields.items()}
