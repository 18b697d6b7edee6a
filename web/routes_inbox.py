"""An agent's part of the exchange with partners: what waits, and what of his own came back.

Leaders see and do everything at ``/exchange`` (`web.routes_exchange`). Whoever talks with citizens
may take in or give back what has arrived and nobody has decided, and it is then his ticket; of what
was handed out he is shown his own tickets only.
"""

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter

from web.auth import Caller, Viewer
from web.errors import documented, not_found
from web.routes_exchange import HandoverId, shown
from web.schemas_exchange import DecisionIn, HandoverOut, ReopenIn
from web.services import Served, Services

router = APIRouter(
    prefix="/me/inbox",
    tags=["exchange"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
)

_CHANGES = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_ARRIVED: Final = 50
_LATEST: Final = 20
"""Of his own that a partner has returned, and of those that one has finished: so many each."""


@router.get("", summary="Partners' tickets that wait, and one's own that came back")
async def inbox(who: Caller, served: Served) -> list[HandoverOut]:
    """Return what has arrived and waits, oldest first, then the asker's own that came back."""
    arrived = await served.exchange.list_(
        direction="in", kind="ticket", state="arrived", oldest_first=True, limit=_ARRIVED
    )
    own = [
        one
        for state in ("returned", "finished")
        for one in await served.exchange.list_(
            direction="out", kind="ticket", state=state, agent_id=who.id, limit=_LATEST
        )
    ]
    return [shown(one) for one in (*arrived, *own)]


@router.post("/{handover_id}/decision", summary="Take a waiting ticket in", responses=_CHANGES)
async def decide(
    handover_id: HandoverId, body: DecisionIn, who: Caller, served: Served
) -> HandoverOut:
    """Take in what has arrived, which makes it the asker's ticket, or give it back and say why."""
    found = await served.exchange.get(handover_id)
    if found["direction"] != "in" or found["kind"] != "ticket":
        raise not_found("handover")
    done = await served.exchange.decide(
        handover_id, accepted=body.accepted, reason=body.reason, who=who.id, agent_id=who.id
    )
    served.audit.note(who.id, "exchange.decide", str(handover_id), {"accepted": body.accepted})
    return shown(done)


@router.post(
    "/{handover_id}/reopen", summary="Have one's own matter taken up again", responses=_CHANGES
)
async def reopen(
    handover_id: HandoverId, body: ReopenIn, who: Caller, served: Served
) -> HandoverOut:
    """Reopen the asker's own ticket that a partner has finished, and hand it over anew (再处置)."""
    if not await _is_own(served, who, await served.exchange.get(handover_id)):
        raise not_found("handover")
    done = await served.exchange.reopen(handover_id, reason=body.reason, who=who.id)
    served.audit.note(who.id, "exchange.reopen", str(handover_id), {"new": done["id"]})
    return shown(done)


async def _is_own(served: Services, who: Viewer, handover: dict[str, Any]) -> bool:
    if handover["direction"] != "out" or not handover.get("ticket_id"):
        return False
    ticket = await served.calls.ticket(handover["ticket_id"])
    return ticket is not None and ticket.get("agent_id") == who.id
