"""``WebSocket /api/v1/feed``: a snapshot of the asker's world, then every event as it happens.

A browser is known by its cookie and must come from a page of ours (``Origin``: a WebSocket is not
bound by the same-origin rule). Other clients send the token as ``Authorization: Bearer``, as
``?token=`` or as the subprotocol pair ``bearer, TOKEN``.

Close codes: 4401 the session is over; 4409 so it is, because the agent signed in at another desk;
4408 the client read too slowly: it comes back and starts from a fresh snapshot.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from web.access import EVERYBODY
from web.auth import COOKIE, Viewer, identify, own_origin
from web.errors import ApiError, error_response
from web.feed import FeedClient, encode
from web.own_presence import own_presence
from web.routes_calls import live_calls
from web.routes_tickets import shown_ticket
from web.schemas_people import AgentOut
from web.services import Services, services_of
from web.sessions import session_digest

log = structlog.get_logger(__name__)

router = APIRouter()

PING_SECONDS = 15.0
_CLOSE_SECONDS = 1.0
_HEALTH_SECONDS = 2.0
_CLOSE_CODES = {"signed_out": 4401, "slow": 4408, "taken_over": 4409}
_SUBPROTOCOL = "bearer"


@router.websocket("/feed")
async def feed(websocket: WebSocket) -> None:
    """Serve one desktop until it goes, its session ends or it falls behind."""
    served = services_of(websocket)
    try:
        who = await admit(websocket, served)
    except ApiError as error:
        await websocket.send_denial_response(error_response(error))
        return
    offered = websocket.scope["subprotocols"]
    await websocket.accept(subprotocol=_SUBPROTOCOL if _SUBPROTOCOL in offered else None)
    with served.feed.join(who.id, role=who.account.role, token=who.token) as client:
        await claim_desk(served, who)
        # Joined first, so nothing that happens while the snapshot is taken is missed; events that
        # it already holds are sent again and change nothing.
        try:
            await websocket.send_text(encode(await snapshot(served, who)))
            await until_first(_write(websocket, client), _read(websocket), _keep(served, client))
        except WebSocketDisconnect:
            return
    if client.why is not None:
        log.info("desktop_dropped", agent_id=who.id, why=client.why)
        if client.why == "taken_over":
            await served.sessions.revoke(client.token)
        # A client that does not read does not let the close frame through either.
        with suppress(WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await websocket.close(_CLOSE_CODES[client.why], client.why)


async def claim_desk(served: Services, who: Viewer) -> None:
    """Tell the other nodes that an agent works here now: his page there is told and closed."""
    if served.others is not None and who.account.role == "agent":
        await served.others.at_desk(who.id, session_digest(who.token))


async def snapshot(served: Services, who: Viewer) -> dict[str, Any]:
    """Return what a desktop needs to start from.

    Keys: event ("snapshot"), at, agent, presence, calls (all that he may see), call (his own live
    one), ticket, transcript and gaps (of that call, or of the one he is writing up), services
    (parts of the node and how they are).
    """
    presence = await served.floor.presence(who.id)
    calls = await live_calls(served, who, everywhere=True)
    own = next((call for call in calls if call.agent_id == who.id), None)
    call_id, ticket_id = (own.call_id, own.ticket_id) if own else (None, None)
    if own is None and presence is not None and presence.state == "wrap_up" and presence.call_id:
        call_id = presence.call_id
    record = (await served.calls.call(call_id) or {}) if call_id else {}
    ticket_id = ticket_id or record.get("ticket_id")
    ticket = await _ticket(served, who, ticket_id) if ticket_id else None
    return {
        "event": "snapshot",
        "at": served.clock(),
        "agent": AgentOut.model_validate(who.account).model_dump(),
        "presence": (await own_presence(served, presence)).model_dump() if presence else None,
        "calls": [call.model_dump() for call in calls],
        "call": own.model_dump() if own else None,
        "ticket": ticket,
        "transcript": await served.calls.transcript(call_id) if ticket and call_id else [],
        "gaps": record.get("gaps", []) if ticket else [],
        "services": await services_shown(served),
    }


async def _ticket(served: Services, who: Viewer, ticket_id: str) -> dict[str, Any] | None:
    """Return a ticket as shown; a call that has just begun at another node has it there only."""
    if (ticket := await served.calls.ticket(ticket_id)) is not None:
        return shown_ticket(ticket, who).model_dump()
    return await served.others.ticket(ticket_id, who.token) if served.others is not None else None


async def services_shown(served: Services) -> dict[str, Any]:
    """Return the parts' states; a part that hangs while being counted must not hold a desk up."""
    try:
        async with asyncio.timeout(_HEALTH_SECONDS):
            return dict((await served.health())["parts"])
    except TimeoutError:
        return {}


async def admit(
    websocket: WebSocket, served: Services, *, roles: frozenset[str] = EVERYBODY
) -> Viewer:
    """Return who asks; raises ApiError 401 or 403."""
    token = _shown_token(websocket)
    if token is None:
        token = websocket.cookies.get(COOKIE)
        if token is not None and not own_origin(websocket):
            raise ApiError(HTTPStatus.FORBIDDEN, "origin", "the page is not one of ours")
    who = await identify(served, token)
    if who is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "not_signed_in", "sign in first")
    if who.account.role not in roles:
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", f"for: {', '.join(sorted(roles))}")
    return who


def _shown_token(websocket: WebSocket) -> str | None:
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    offered: list[str] = websocket.scope["subprotocols"]
    if len(offered) == 2 and offered[0] == _SUBPROTOCOL:  # noqa: PLR2004 - the pair
        return offered[1]
    return websocket.query_params.get("token")


async def _write(websocket: WebSocket, client: FeedClient) -> None:
    while True:
        await websocket.send_text(await client.next())


async def _read(websocket: WebSocket) -> None:
    """Wait for the client to go; what it says is not used."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _keep(served: Services, client: FeedClient) -> None:
    """Keep the connection alive, and the session of who works; return when the client must go.

    Who is on the floor and not on a break works, though he touches nothing: he waits for calls.
    Anybody else's session goes on by what he does, not by a page that he has left open.

    One whose account has another role by now must go: what it is shown went by the former.

    The ping is a message, not a WebSocket ping: a page cannot see the latter, and it is how the
    page notices a connection that died without a word.
    """
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(PING_SECONDS):
                await client.dropped.wait()
                return
        who = await identify(served, client.token, attended=await _works(served, client.agent_id))
        if who is None or who.account.role != client.role:
            client.drop("signed_out")
        else:
            client.put(encode({"event": "ping", "at": served.clock()}))


async def _works(served: Services, agent_id: str) -> bool:
    presence = await served.floor.presence(agent_id)
    return presence is not None and presence.state not in {"signed_out", "not_ready"}


async def until_first(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run the jobs until one returns or fails, then end the others."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
