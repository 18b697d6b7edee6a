"""Tickets of calls, in memory; what happens to them is told by the real machines."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from eventbus.bus import EventBus
from eventbus.catalogue import (
    Event,
    TicketField,
    TicketSubmitted,
)
from tests.web.fake_people import Clock, FakeFloor
from tickets.draft import TicketDraft
from tickets.fields import check
from tickets.history import brief
from tickets.life import Handling, Step, take
from tickets.store import AlreadySubmitted, UnknownTicket
from tickets.tree import SHIPPED
from tickets.working_days import Calendar


@dataclass
class CallTicket:
    """One call's ticket, with what was done about it."""

    draft: TicketDraft
    call_id: str
    agent_id: str
    created_at: float
    handling: Handling = field(default_factory=Handling)
    steps: list[dict[str, Any]] = field(default_factory=list)
    reopens: str | None = None

    def as_dict(self) -> dict[str, Any]:
        handling = asdict(self.handling)
        review = handling.pop("review") or {}
        return {
            "id": self.draft.ticket_id,
            "call_id": self.call_id,
            "agent_id": self.agent_id,
            "created_at": self.created_at,
            "fields": {name: value.to_dict() for name, value in self.draft.fields.items()},
            "reopens": self.reopens,
            "reached": review.get("reached"),
            "solved": review.get("solved"),
            "satisfied": review.get("result"),
            **handling,
        }


class FakeTickets:
    """The tickets of calls that a test moves by hand: real drafts, kept in memory.

    Args:
        bus: where what happens to them is published.
        floor: whose agents wrap up.
        clock: Unix seconds.
    """

    def __init__(self, bus: EventBus, floor: FakeFloor, clock: Clock) -> None:
        self._bus = bus
        self._floor = floor
        self._clock = clock
        self._tickets: dict[str, CallTicket] = {}

    def publish(self, event: Event) -> None:
        self._bus.publish(event)

    async def ticket(self, ticket_id: str) -> dict[str, Any] | None:
        ticket = self._tickets.get(ticket_id)
        return ticket.as_dict() if ticket else None

    async def history(self, ticket_id: str) -> list[dict[str, Any]]:
        phone = self._tickets[ticket_id].draft.values()["phone"]
        return [
            brief(ticket.as_dict())
            for ticket in reversed(self._tickets.values())
            if ticket.draft.ticket_id != ticket_id and ticket.draft.values()["phone"] == phone
        ]

    async def history_of_caller(self, number: str) -> list[dict[str, Any]]:
        return [
            brief(ticket.as_dict())
            for ticket in reversed(self._tickets.values())
            if ticket.draft.values()["phone"] == number
        ]

    def categories(self) -> list[dict[str, Any]]:
        return SHIPPED.to_list()

    async def tickets(
        self,
        *,
        agent_id: str | None = None,
        status: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        found = [
            ticket
            for ticket in map(CallTicket.as_dict, reversed(self._tickets.values()))
            if agent_id in {None, ticket["agent_id"]} and status in {None, ticket["status"]}
        ]
        return found[offset : offset + limit]

    async def correct(
        self, ticket_id: str, changes: Mapping[str, Any], *, agent_id: str
    ) -> dict[str, Any]:
        ticket = self._draft(ticket_id)
        assert ticket.agent_id == agent_id
        for name, value in changes.items():
            check(name, value)
        for name, value in changes.items():
            for change in ticket.draft.correct(name, value):
                self._tell(ticket, change.field)
        return ticket.as_dict()

    async def submit(self, ticket_id: str, *, agent_id: str) -> dict[str, Any]:
        ticket = self._draft(ticket_id)
        ticket.handling = _step(ticket, Step("submit"), agent_id, self._clock())
        self.publish(
            TicketSubmitted(
                at=self._clock(),
                agent_id=agent_id,
                call_id=ticket.call_id,
                ticket_id=ticket_id,
                fields=ticket.draft.values(),
            )
        )
        presence = await self._floor.presence(agent_id)
        if presence is not None and presence.call_id == ticket.call_id:
            await self._floor.end_wrap_up(agent_id)
        return ticket.as_dict()

    async def step(self, ticket_id: str, step: Step, *, who: str) -> dict[str, Any]:
        ticket = self._tickets.get(ticket_id)
        if ticket is None:
            raise UnknownTicket(ticket_id)
        ticket.handling = _step(ticket, step, who, self._clock())
        if step.action == "reopen":
            draft = TicketDraft(f"{ticket_id}-again", ticket.draft.caller_id)
            ticket = CallTicket(draft, ticket.call_id, who, self._clock(), reopens=ticket_id)
            ticket.handling = _step(ticket, Step("submit"), who, self._clock())
            self._tickets[draft.ticket_id] = ticket
        return ticket.as_dict()

    async def steps(self, ticket_id: str) -> list[dict[str, Any]]:
        return self._tickets[ticket_id].steps

    def _draft(self, ticket_id: str) -> CallTicket:
        ticket = self._tickets.get(ticket_id)
        if ticket is None:
            raise UnknownTicket(ticket_id)
        if ticket.handling.status != "draft":
            raise AlreadySubmitted(ticket_id)
        return ticket

    def _tell(self, ticket: CallTicket, name: str) -> None:
        value = ticket.draft.fields[name]
        self.publish(
            TicketField(
                at=self._clock(),
                agent_id=ticket.agent_id,
                call_id=ticket.call_id,
                ticket_id=ticket.draft.ticket_id,
                field=name,
                value=value.value,
                source=value.source,
                evidence=value.evidence,
            )
        )


def _step(ticket: CallTicket, step: Step, who: str, now: float) -> Handling:
    after = take(ticket.handling, step, now=now, working_days=5, by=Calendar())
    ticket.steps.append(
        {"at": now, "who": who, "action": step.action, "note": step.note, "unit": step.unit}
    )
    return after
