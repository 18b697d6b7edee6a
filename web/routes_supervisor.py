"""What shift leaders do with live calls and agents; each deed goes into the audit trail."""

from http import HTTPStatus

from fastapi import APIRouter

from web.auth import Supervisor
from web.errors import documented, not_found
from web.routes_agents import AgentId
from web.routes_calls import CallId
from web.schemas_people import PresenceOut
from web.schemas_supervisor import AssignIn, ForcedOut, SupervisionIn
from web.services import Served

router = APIRouter(tags=["supervisor"], responses=documented(HTTPStatus.UNAUTHORIZED))

_REFUSED = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


@router.put(
    "/calls/{call_id}/supervision",
    summary="Listen, whisper, barge in, take over",
    status_code=HTTPStatus.ACCEPTED,
    responses=_REFUSED,
)
async def supervise(call_id: CallId, body: SupervisionIn, who: Supervisor, served: Served) -> None:
    """Be brought into a call in which an agent talks; again with another mode: change it.

    The supervisor's own phones are called; he is in the call when he has picked up, which
    `call.supervised` events tell. He follows the agent: while that one consults somebody, he hears
    this. The citizen is never told; whoever is barged in on hears it.
    """
    await served.calls.supervise(call_id, body.mode, supervisor=who.id)
    served.audit.note(who.id, "call.supervise", call_id, {"mode": body.mode})


@router.delete(
    "/calls/{call_id}/supervision",
    summary="Leave a supervised call",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_REFUSED,
)
async def end_supervision(call_id: CallId, who: Supervisor, served: Served) -> None:
    """Hang up one's own phone; nobody else in the call notices."""
    served.calls.end_supervision(call_id, supervisor=who.id)


@router.post(
    "/calls/{call_id}/assign",
    summary="Assign a waiting call",
    status_code=HTTPStatus.ACCEPTED,
    responses=_REFUSED,
)
async def assign(call_id: CallId, body: AssignIn, who: Supervisor, served: Served) -> None:
    """Hold a waiting call out to an agent who is ready, before all others.

    The answer comes when it is held out to him (202), or when it is not to be (409).
    If he does not take it, it waits in its old place for whoever is next.
    """
    await served.calls.assign(call_id, body.agent_id)
    served.audit.note(who.id, "call.assign", call_id, {"agent_id": body.agent_id})


@router.post(
    "/calls/{call_id}/pull",
    summary="Take a waiting call oneself",
    status_code=HTTPStatus.ACCEPTED,
    responses=_REFUSED,
)
async def pull(call_id: CallId, who: Supervisor, served: Served) -> None:
    """Hold a waiting call out to oneself; one has to be ready, as any agent."""
    await served.calls.assign(call_id, who.id)
    served.audit.note(who.id, "call.pull", call_id)


@router.post(
    "/agents/{agent_id}/sign-out",
    summary="Take an agent off the floor",
    responses=_REFUSED,
)
async def sign_out(
    agent_id: AgentId, body: ForcedOut, who: Supervisor, served: Served
) -> PresenceOut:
    """Sign an agent out; while a call holds him, after that call."""
    presence = await served.floor.presence(agent_id)
    if presence is None or presence.state == "signed_out":
        raise not_found("agent on the floor")
    changed = await served.floor.sign_out(agent_id)
    served.audit.note(who.id, "agent.sign_out", agent_id, {"reason": body.reason})
    return PresenceOut.model_validate(changed)
