"""The exchange of tickets with partners (工单互派): inbox, outbox, and what becomes of it."""

from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query

from tickets.exchange.machine import State
from web.auth import Asker, Supervisor
from web.errors import ApiError, documented, not_found
from web.masking import masked
from web.routes_calls import CallId, Paging
from web.routes_tickets import TicketId
from web.schemas_base import Page
from web.schemas_exchange import DecisionIn, HandOverIn, HandoverOut, Number, ReopenIn
from web.services import Served

router = APIRouter(tags=["exchange"], responses=documented(HTTPStatus.UNAUTHORIZED))

HandoverId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_ONE = documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.FORBIDDEN)
_CHANGES = _ONE | documented(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which handovers are asked for; all when left out."""

    direction: Annotated[Literal["in", "out"] | None, Query(description="in: the inbox")] = None
    state: Annotated[State | None, Query()] = None
    partner: Annotated[str | None, Query(max_length=32)] = None
    kind: Annotated[Literal["ticket", "draft"] | None, Query()] = None
    number: Annotated[Number | None, Query(description="The sender's number.")] = None


def shown(handover: dict[str, Any]) -> HandoverOut:
    """Return a handover as it is shown: what was said in it masked."""
    # Numbers of tickets look like telephone numbers, and are none: only what was said is masked.
    said = {
        name: masked(handover.get(name) or empty)
        for name, empty in (("matter", {}), ("reason", ""))
    }
    return HandoverOut.model_validate({**handover, **said})


@router.get(
    "/exchange",
    summary="What was handed over",
    responses=documented(HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def handovers(
    who: Supervisor,
    served: Served,
    page: Annotated[Paging, Depends()],
    wanted: Annotated[_Wanted, Depends()],
) -> Page[HandoverOut]:
    """Return the inbox and the outbox, what changed last first."""
    found = await served.exchange.list_(**asdict(wanted), limit=page.limit, offset=page.offset)
    seen = {"count": len(found), "offset": page.offset}
    served.audit.look(who.id, "exchange.list", wanted.direction or "all", seen)
    return Page(items=[shown(one) for one in found], limit=page.limit, offset=page.offset)


@router.get("/exchange/{handover_id}", summary="One handover", responses=_ONE)
async def handover(handover_id: HandoverId, who: Supervisor, served: Served) -> HandoverOut:
    """Return what was handed over, and where it stands."""
    served.audit.note(who.id, "exchange.view", str(handover_id))
    return shown(await served.exchange.get(handover_id))


@router.post(
    "/exchange/{handover_id}/decision",
    summary="Take a partner's ticket in, or give it back",
    responses=_CHANGES,
)
async def decide(
    handover_id: HandoverId, body: DecisionIn, who: Supervisor, served: Served
) -> HandoverOut:
    """Decide what no rule decided, or give back what a rule took in; the partner is told why."""
    done = await served.exchange.decide(
        handover_id, accepted=body.accepted, reason=body.reason, who=who.id
    )
    served.audit.note(who.id, "exchange.decide", str(handover_id), {"accepted": body.accepted})
    return shown(done)


@router.post(
    "/exchange/{handover_id}/reopen",
    summary="Have a partner take a finished matter up again",
    responses=_CHANGES,
)
async def reopen(
    handover_id: HandoverId, body: ReopenIn, who: Supervisor, served: Served
) -> HandoverOut:
    """Reopen our ticket and hand the new one over, which links the old one (再处置)."""
    done = await served.exchange.reopen(handover_id, reason=body.reason, who=who.id)
    served.audit.note(who.id, "exchange.reopen", str(handover_id), {"new": done["id"]})
    return shown(done)


@router.post(
    "/tickets/{ticket_id}/hand-over", summary="Hand a ticket over to a partner", responses=_CHANGES
)
async def hand_over(
    ticket_id: TicketId, body: HandOverIn, who: Asker, served: Served
) -> HandoverOut:
    """Send a submitted ticket to a partner: its agent may, and a supervisor.

    He is given only the fields that the directory allows for him. It is sent again until he
    acknowledges it; what becomes of it is told by `exchange.ticket` events, and by the ticket's
    own steps: given back with his reason, or closed with what he did.
    """
    ticket = await served.calls.ticket(ticket_id)
    if ticket is None or not (who.leads or ticket.get("agent_id") == who.id):
        raise not_found("ticket")
    done = await served.exchange.hand_over(ticket_id, body.partner, who=who.id, reason=body.reason)
    served.audit.note(who.id, "exchange.hand_over", ticket_id, {"partner": body.partner})
    return shown(done)


@router.get(
    "/calls/{call_id}/partner-draft", summary="What a partner wrote about a call", responses=_ONE
)
async def partner_draft(call_id: CallId, who: Asker, served: Served) -> HandoverOut:
    """Return the draft that a partner sent with a call of his: the one that its reference names."""
    view = next((view for view in served.calls.live() if view.call_id == call_id), None)
    if view is None or not (who.leads or view.agent_id == who.id):
        raise not_found("call")
    if view.partner is None or view.reference is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "the call names no partner's draft")
    found = await served.exchange.list_(
        direction="in", partner=view.partner, kind="draft", number=view.reference, limit=1
    )
    if not found:
        raise not_found("draft")
    served.audit.note(who.id, "exchange.view", str(found[0]["id"]), {"call": call_id})
    own = view.agent_id == who.id
    return HandoverOut.model_validate(found[0]) if own else shown(found[0])
