"""The asker himself, and for supervisors the other agents."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from web.auth import Asker, Supervisor
from web.errors import documented, not_found
from web.own_presence import own_presence
from web.ports_people import Presence
from web.schemas_people import AgentOut, AgentStatus, BreakOut, Me, PresenceChange, PresenceOut
from web.services import Served, Services

router = APIRouter(responses=documented(HTTPStatus.UNAUTHORIZED))

_CHANGES = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_OTHERS = documented(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
DEFAULT_REASON = "other"
"""Of a change that names none: it is always there."""
AgentId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,32}$", examples=["1001"])]


@router.get("/me", summary="Who am I", tags=["me"])
async def me(who: Asker, served: Served) -> Me:
    """Return the asker's account and where he stands."""
    presence = await served.floor.presence(who.id)
    return Me(
        agent=AgentOut.model_validate(who.account),
        presence=await own_presence(served, presence) if presence else None,
    )


@router.put("/me/presence", summary="Be ready or not ready", tags=["me"], responses=_CHANGES)
async def set_presence(body: PresenceChange, who: Asker, served: Served) -> PresenceOut:
    """Change the asker's own state; in the middle of a call it takes effect after it."""
    return await own_presence(served, await _change(served, who.id, body))


@router.get("/me/breaks", summary="What is left of one's breaks", tags=["me"])
async def breaks(who: Asker, served: Served) -> list[BreakOut]:
    """Return how much of each reason's daily allowance the asker has used; the day is China's."""
    return [BreakOut.model_validate(one) for one in await served.breaks.allowances(who.id)]


@router.post(
    "/me/wrap-up/end",
    summary="End wrap-up",
    tags=["me"],
    responses=documented(HTTPStatus.FORBIDDEN),
)
async def end_wrap_up(who: Asker, served: Served) -> PresenceOut:
    """Be ready again without waiting for the end of wrap-up; in any other state do nothing."""
    await served.floor.sign_in(who.id)
    return PresenceOut.model_validate(await served.floor.end_wrap_up(who.id))


@router.post(
    "/me/wrap-up/extend",
    summary="Have more time for wrap-up, once",
    tags=["me"],
    responses=documented(HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT),
)
async def extend_wrap_up(who: Asker, served: Served) -> PresenceOut:
    """Put the end of wrap-up off; refused outside of it and the second time."""
    return PresenceOut.model_validate(await served.floor.extend_wrap_up(who.id))


@router.get(
    "/agents",
    summary="All agents and where they stand",
    tags=["agents"],
    responses=documented(HTTPStatus.FORBIDDEN),
)
async def agents(_who: Supervisor, served: Served) -> list[AgentStatus]:
    """Return every account with its presence."""
    presences = {presence.agent_id: presence for presence in await served.floor.everyone()}
    return [
        AgentStatus(
            agent=AgentOut.model_validate(account),
            presence=PresenceOut.model_validate(presences[account.id])
            if account.id in presences
            else None,
        )
        for account in await served.accounts.list_()
    ]


@router.get("/agents/{agent_id}", summary="One agent", tags=["agents"], responses=_OTHERS)
async def agent(agent_id: AgentId, _who: Supervisor, served: Served) -> AgentStatus:
    """Return one account with its presence."""
    account = await served.accounts.get(agent_id)
    if account is None:
        raise not_found("agent")
    presence = await served.floor.presence(agent_id)
    return AgentStatus(
        agent=AgentOut.model_validate(account),
        presence=PresenceOut.model_validate(presence) if presence else None,
    )


@router.get(
    "/agents/{agent_id}/breaks",
    summary="What is left of an agent's breaks",
    tags=["agents"],
    responses=_OTHERS,
)
async def agents_breaks(agent_id: AgentId, _who: Supervisor, served: Served) -> list[BreakOut]:
    """Return how much of each reason's daily allowance an agent has used."""
    if await served.accounts.get(agent_id) is None:
        raise not_found("agent")
    return [BreakOut.model_validate(one) for one in await served.breaks.allowances(agent_id)]


@router.post(
    "/agents/{agent_id}/presence",
    summary="Change an agent's state for him",
    tags=["agents"],
    responses=_CHANGES | _OTHERS,
)
async def force_presence(
    agent_id: AgentId, body: PresenceChange, who: Supervisor, served: Served
) -> PresenceOut:
    """Set an agent, who must be on the floor, ready or not ready."""
    if await served.accounts.get(agent_id) is None:
        raise not_found("agent")
    presence = await served.floor.presence(agent_id)
    if presence is None or presence.state == "signed_out":
        raise not_found("agent on the floor")
    changed = await _change(served, agent_id, body, forced=True)
    served.audit.note(who.id, "agent.force", agent_id, {"state": body.state, "reason": body.reason})
    return PresenceOut.model_validate(changed)


async def _change(
    served: Services, agent_id: str, body: PresenceChange, *, forced: bool = False
) -> Presence:
    reason = body.reason or DEFAULT_REASON
    if body.state == "not_ready" and body.reason is not None:
        await served.breaks.check(agent_id, reason, forced=forced)
    await served.floor.sign_in(agent_id)
    if body.state == "ready":
        return await served.floor.set_ready(agent_id)
    return await served.floor.set_not_ready(agent_id, reason)
