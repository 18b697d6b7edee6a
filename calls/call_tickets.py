"""Tickets, as long as calls write them and afterwards: what the desktop asks of them."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from agents.floor import Floor
from calls.conversation import Conversation
from calls.facilities import SEAT_MARK
from eventbus.bus import EventBus
from eventbus.catalogue import TicketSubmitted
from tickets.handling import TicketDesk
from tickets.history import brief
from tickets.ids import ENTROPY_BYTES, new_ticket_id
from tickets.life import Step
from tickets.secrecy import for_units
from tickets.sorting import SortingSource
from tickets.store import AlreadySubmitted, TicketStore, UnknownTicket
from tickets.told import step_event


class CallTickets:
    """The tickets of calls.

    Args:
        tickets: those that are stored.
        desk: what is done with submitted ones.
        conversation_of: the live conversation that fills a ticket, or None.
        sorting: the categories in use.
        wall_clock: Unix seconds.
    """

    def __init__(
        self,
        *,
        tickets: TicketStore,
        desk: TicketDesk,
        floor: Floor,
        bus: EventBus,
        sorting: SortingSource,
        conversation_of: Callable[[str], Conversation | None],
        wall_clock: Callable[[], float],
    ) -> None:
        self._tickets = tickets
        self._desk = desk
        self._floor = floor
        self._bus = bus
        self._sorting = sorting
        self._conversation_of = conversation_of
        self._wall_clock = wall_clock

    async def correct(
        self, ticket_id: str, changes: Mapping[str, Any], *, agent_id: str
    ) -> dict[str, Any]:
        """Set fields by an agent's hand; return the ticket.

        Raises:
            tickets.fields.TicketError: a field cannot hold its value; nothing was changed.
            tickets.store.UnknownTicket: no ticket has this id.
            tickets.store.AlreadySubmitted: it is no draft any more.
        """
        conversation = self._conversation_of(ticket_id)
        if conversation is None:
            return await self._tickets.correct(ticket_id, changes, agent_id=agent_id)
        conversation.correct(changes)
        await conversation.save()
        return await self._stored(ticket_id)

    async def submit(self, ticket_id: str, *, agent_id: str) -> dict[str, Any]:
        """Submit a ticket; the agent's wrap-up ends, at once or as soon as the call is over.

        Raises:
            tickets.store.UnknownTicket: no ticket has this id.
            tickets.store.AlreadySubmitted: it was submitted before.
        """
        conversation = self._conversation_of(ticket_id)
        if conversation is not None:
            await conversation.save()
        ticket = await self._tickets.submit(ticket_id, agent_id=agent_id)
        if conversation is not None:
            conversation.submitted = True
        self._bus.publish(
            TicketSubmitted(
                at=self._wall_clock(),
                agent_id=ticket["agent_id"],
                call_id=ticket["call_id"],
                ticket_id=ticket_id,
                fields=for_units(
                    {name: field["value"] for name, field in ticket["fields"].items()}
                ),
            )
        )
        presence = await self._floor.presence(agent_id)
        held = (presence.call_id or "").partition(SEAT_MARK)[0] if presence else None
        if held == ticket["call_id"]:
            await self._floor.end_wrap_up(agent_id)
        return ticket

    async def step(self, ticket_id: str, step: Step, *, who: str) -> dict[str, Any]:
        """Do something with a submitted ticket; return it. Reopening returns the new ticket.

        Raises:
            tickets.store.UnknownTicket: no ticket has this id.
            tickets.life.LifeError: the step is not allowed now, or lacks something.
        """
        if step.action == "reopen":
            new_id = new_ticket_id(self._wall_clock(), os.urandom(ENTROPY_BYTES))
            ticket = await self._desk.reopen(ticket_id, reason=step.note, new_id=new_id, who=who)
        else:
            ticket = await self._desk.step(ticket_id, step, who=who)
        self._bus.publish(step_event(ticket, step.action, who=who, now=self._wall_clock()))
        return ticket

    async def steps(self, ticket_id: str) -> list[dict[str, Any]]:
        """Return what was done with a ticket, oldest first: at, who, action, note, unit."""
        return await self._desk.steps(ticket_id)

    async def ticket(self, ticket_id: str) -> dict[str, Any] | None:
        """Return a ticket, with what was heard up to this moment, or None."""
        if conversation := self._conversation_of(ticket_id):
            with suppress(AlreadySubmitted):
                await conversation.save()
        return await self._tickets.get(ticket_id)

    async def history(self, ticket_id: str) -> list[dict[str, Any]]:
        """Return the caller's earlier tickets, newest first, a few facts of each."""
        ticket = await self._tickets.get(ticket_id)
        number = ticket and ticket["fields"].get("phone", {}).get("value")
        if not number:
            return []
        return [brief(t) for t in await self._tickets.of_caller(number, before=ticket_id)]

    async def history_of_caller(self, number: str) -> list[dict[str, Any]]:
        """Return the earlier tickets of a number, newest first, a few facts of each."""
        return [brief(ticket) for ticket in await self._tickets.of_caller(number)]

    def categories(self) -> list[dict[str, Any]]:
        """Return the category tree in use: ``[{"name", "topics"}]``."""
        return self._sorting.current().tree.to_list()

    async def tickets(
        self,
        *,
        agent_id: str | None = None,
        status: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return tickets, newest first."""
        return await self._tickets.list_(
            agent_id=agent_id, status=status, limit=limit, offset=offset
        )

    async def _stored(self, ticket_id: str) -> dict[str, Any]:
        ticket = await self._tickets.get(ticket_id)
        if ticket is None:
            raise UnknownTicket(ticket_id)
        return ticket
