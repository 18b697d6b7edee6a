"""Tickets: the draft that fills itself, corrections, submission."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from tickets.life import Review, Step
from web.auth import Asker, Viewer
from web.errors import ApiError, documented, not_found
from web.masking import masked
from web.routes_calls import Paging
from web.schemas_base import Page
from web.schemas_tickets import (
    CategoryOut,
    EarlierTicketOut,
    StepIn,
    StepOut,
    TicketChange,
    TicketOut,
    TicketStatus,
)
from web.services import Served, Services

router = APIRouter(
    prefix="/tickets", tags=["tickets"], responses=documented(HTTPStatus.UNAUTHORIZED)
)

tree = APIRouter(
    prefix="/categories", tags=["tickets"], responses=documented(HTTPStatus.UNAUTHORIZED)
)

TicketId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
_AGENTS_STEPS = frozenset({"answer", "pass_on", "urge"})
_ONE = documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
_CHANGES = _ONE | documented(HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)


def shown_ticket(ticket: dict[str, Any], who: Viewer) -> TicketOut:
    """Return a ticket as the asker may see it."""
    return TicketOut.model_validate(ticket if ticket.get("agent_id") == who.id else masked(ticket))


async def _find(served: Services, who: Viewer, ticket_id: str) -> dict[str, Any]:
    ticket = await served.calls.ticket(ticket_id)
    if ticket is None or not who.may_read(ticket.get("agent_id")):
        raise not_found("ticket")
    return ticket


async def own_ticket(served: Services, who: Viewer, ticket_id: str) -> dict[str, Any]:
    """Return a ticket to its agent; others would give answers in somebody else's name."""
    ticket = await _find(served, who, ticket_id)
    if ticket.get("agent_id") != who.id:
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "only its agent changes a ticket")
    return ticket


@router.get("", summary="Tickets", responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY))
async def tickets(
    who: Asker,
    served: Served,
    page: Annotated[Paging, Depends()],
    status: Annotated[TicketStatus | None, Query(description="All when left out.")] = None,
) -> Page[TicketOut]:
    """Return the asker's tickets, for supervisors everybody's, newest first."""
    found = await served.calls.tickets(
        agent_id=None if who.reads_all else who.id,
        status=status,
        limit=page.limit,
        offset=page.offset,
    )
    if who.reads_all:
        seen = {"count": len(found), "offset": page.offset}
        served.audit.look(who.id, "ticket.list", status or "all", seen)
    items = [shown_ticket(ticket, who) for ticket in found]
    return Page(items=items, limit=page.limit, offset=page.offset)


@tree.get("", summary="The category tree")
async def categories(_who: Asker, served: Served) -> list[CategoryOut]:
    """Return the categories that a ticket may have, and the topics below each."""
    return [CategoryOut.model_validate(category) for category in served.calls.categories()]


@router.get("/{ticket_id}/history", summary="The caller's earlier tickets", responses=_ONE)
async def history(ticket_id: TicketId, who: Asker, served: Served) -> list[EarlierTicketOut]:
    """Return the last tickets with the same call-back number, secret ones left out."""
    found = await _find(served, who, ticket_id)
    earlier = await served.calls.history(ticket_id)
    served.audit.note(who.id, "history.view", ticket_id)
    shown = earlier if found.get("agent_id") == who.id else masked(earlier)
    return [EarlierTicketOut.model_validate(ticket) for ticket in shown]


@router.get("/{ticket_id}", summary="One ticket", responses=_ONE)
async def ticket(ticket_id: TicketId, who: Asker, served: Served) -> TicketOut:
    """Return a ticket with the source and evidence of every field."""
    ticket = await _find(served, who, ticket_id)
    served.audit.note(who.id, "ticket.view", ticket_id)
    return shown_ticket(ticket, who)


@router.patch("/{ticket_id}", summary="Correct a ticket", responses=_CHANGES)
async def correct(ticket_id: TicketId, body: TicketChange, who: Asker, served: Served) -> TicketOut:
    """Set fields by hand; from then on nothing heard overwrites them."""
    await own_ticket(served, who, ticket_id)
    changes = body.fields.model_dump(exclude_unset=True)
    changed = await served.calls.correct(ticket_id, changes, agent_id=who.id)
    return shown_ticket(changed, who)


@router.post("/{ticket_id}/submit", summary="Submit a ticket", responses=_CHANGES)
async def submit(ticket_id: TicketId, who: Asker, served: Served) -> TicketOut:
    """Submit the ticket and end the wrap-up; 409 when it has been submitted before."""
    await own_ticket(served, who, ticket_id)
    return shown_ticket(await served.calls.submit(ticket_id, agent_id=who.id), who)


@router.get("/{ticket_id}/steps", summary="What was done with a ticket", responses=_ONE)
async def steps(ticket_id: TicketId, who: Asker, served: Served) -> list[StepOut]:
    """Return the steps since the ticket was submitted, oldest first."""
    ticket = await _find(served, who, ticket_id)
    taken = await served.calls.steps(ticket_id)
    shown = taken if ticket.get("agent_id") == who.id else masked(taken)
    return [StepOut.model_validate(entry) for entry in shown]


@router.post("/{ticket_id}/steps", summary="Do something with a ticket", responses=_CHANGES)
async def take_step(ticket_id: TicketId, body: StepIn, who: Asker, served: Served) -> TicketOut:
    """Answer on line, pass on to a unit, close, urge, supervise, reopen, or note the review.

    The ticket's agent answers it on line, passes it on and urges; everything else, and others'
    tickets, is for supervisors. Reopening returns the new ticket, which links the old one.
    """
    ticket = await _find(served, who, ticket_id)
    own = ticket.get("agent_id") == who.id and body.action in _AGENTS_STEPS
    if not (own or who.leads):
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", f"{body.action} is for supervisors")
    review = Review(**body.review.model_dump()) if body.review else None
    step = Step(body.action, note=body.note, unit=body.unit, review=review)
    return shown_ticket(await served.calls.step(ticket_id, step, who=who.id), who)
