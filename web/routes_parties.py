"""Bringing parties into a call and letting them go: one key, experts, drop."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from web.auth import Asker
from web.errors import documented
from web.routes_calls import CallId
from web.routes_transfer import own_call
from web.schemas_parties import ExpertOut, OneKeyIn
from web.services import Served

router = APIRouter(tags=["calls"], responses=documented(HTTPStatus.UNAUTHORIZED))

_REFUSED = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
PartnerId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["110"])]
PartyId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["p1-1.0"])]


@router.get(
    "/experts",
    summary="Specialists who can be pulled into a call",
    responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def experts(
    who: Asker,
    served: Served,
    topic: Annotated[str, Query(max_length=64, description="Part of a topic or name.")] = "",
    *,
    on_duty: Annotated[bool, Query(description="Only those on duty now.")] = False,
) -> list[ExpertOut]:
    """Return the list; `target` is what a transfer takes, with mode `conference` to pull him in."""
    del who
    listed = [ExpertOut.model_validate(expert) for expert in served.calls.experts(topic)]
    return [expert for expert in listed if expert.on_duty or not on_duty]


@router.post(
    "/calls/{call_id}/one-key/{partner_id}",
    summary="One key: 110 and the other partners",
    status_code=HTTPStatus.ACCEPTED,
    responses=_REFUSED,
)
async def one_key(
    call_id: CallId, partner_id: PartnerId, body: OneKeyIn, who: Asker, served: Served
) -> None:
    """Do with the call what the partner's `one_key` says: blind, consult or conference."""
    own_call(served, who, call_id)
    await served.calls.one_key(call_id, partner_id, agent_id=who.id, reason=body.reason)


@router.delete(
    "/calls/{call_id}/parties/{party}",
    summary="Let a party go",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_REFUSED,
)
async def drop(call_id: CallId, party: PartyId, who: Asker, served: Served) -> None:
    """Hang up somebody who was called in; citizen, agent and all others go on.

    `party` is the `id` in the live call's `parties`; the holder himself cannot be dropped.
    """
    own_call(served, who, call_id)
    served.calls.drop(call_id, party)
