"""Passing live calls on: transfers, the directory of partners, and a number that is withheld."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from web.auth import Admin, Asker, Viewer
from web.errors import documented, not_found
from web.ports_calls import LiveCall
from web.routes_calls import CallId
from web.schemas_calls import PartnerOut, TransferIn, WithheldNumber
from web.services import Served, Services

router = APIRouter(tags=["calls"], responses=documented(HTTPStatus.UNAUTHORIZED))

_REFUSED = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


def own_call(served: Services, who: Viewer, call_id: str) -> LiveCall:
    """Return a live call that the asker talks in, or any for a supervisor; else 404."""
    view = next((view for view in served.calls.live() if view.call_id == call_id), None)
    if view is None or not who.may_lead(view.agent_id):
        raise not_found("call")
    return view


@router.get("/partners", summary="Who calls can be passed on to")
async def partners(who: Asker, served: Served) -> list[PartnerOut]:
    """Return the directory, in the order in which it is configured."""
    del who
    return [PartnerOut.model_validate(partner) for partner in served.calls.partners()]


@router.post(
    "/calls/{call_id}/transfer",
    summary="Pass the call on, or ask somebody about it",
    status_code=HTTPStatus.ACCEPTED,
    responses=_REFUSED,
)
async def transfer(call_id: CallId, body: TransferIn, who: Asker, served: Served) -> None:
    """Begin a transfer: the agent who talks may, and a supervisor.

    How it goes is told by `call.transfer` events. `blind`: citizen and agent go on talking until
    the target answers, then the agent is out. `consult`: the citizen waits while the agent talks
    with the target; then `merge`, `complete`, `cancel` or `swap`. A target that does not answer
    leaves the citizen with the agent, or, when he has gone, puts the call back into the queue
    before others.
    """
    own_call(served, who, call_id)
    await served.calls.transfer(
        call_id, body.target, body.mode, agent_id=who.id, reason=body.reason
    )


@router.post(
    "/calls/{call_id}/transfer/{step}",
    summary="Complete, cancel, swap or merge",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_REFUSED,
)
async def transfer_step(
    call_id: CallId,
    step: Literal["complete", "cancel", "swap", "merge"],
    who: Asker,
    served: Served,
) -> None:
    """Take a step of a transfer.

    `complete`: leave citizen and target to each other, as soon as the target has answered.
    `cancel`: be with the citizen again; the target goes. `swap`: talk with the other of the two.
    `merge`: all three talk; then `complete` leaves the two to each other, `cancel` lets the target
    go, `swap` puts the citizen on hold again.
    """
    own_call(served, who, call_id)
    await served.calls.transfer_step(call_id, step)


@router.get(
    "/calls/{call_id}/withheld-number",
    summary="The number of a caller who withholds it",
    responses=documented(
        HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY
    ),
)
async def withheld_number(
    call_id: CallId,
    who: Admin,
    served: Served,
    reason: Annotated[
        str, Query(min_length=4, max_length=200, description="Why it is asked for; it is kept.")
    ],
) -> WithheldNumber:
    """Return a number that no screen shows; for administrators, where the law asks for it.

    That it was asked for, by whom and why, goes into the audit trail, also when there is none.
    """
    served.audit.note(who.id, "caller.disclose", call_id, {"reason": reason})
    number = await served.calls.withheld_number(call_id)
    if number is None:
        raise not_found("withheld number")
    return WithheldNumber(number=number)
