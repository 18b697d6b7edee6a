"""Live figures and interval statistics; a WebSocket for boards.

``WebSocket /api/v1/board`` sends ``board.figures`` once a second for as long as it is open: what
`GET /statistics/live` returns, and ``services``, how the node's parts are. It says nothing of who
calls, so it may hang on a wall.
"""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from web.access import LEADERS
from web.auth import Supervisor, identify
from web.errors import ApiError, documented, error_response
from web.feed import encode
from web.feed_route import admit, services_shown
from web.schemas_oversight import FiguresOut, IntervalOut
from web.services import Served, Services, services_of

LONGEST_SPAN = 31 * 86_400.0
BEAT_SECONDS = 1.0

router = APIRouter(
    prefix="/statistics",
    tags=["statistics"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
)
board = APIRouter()

Moment = Annotated[float, Query(ge=0, le=1e11, description="Unix seconds.")]


@router.get("/live", summary="The live figures")
async def live(_who: Supervisor, served: Served) -> FiguresOut:
    """Return who waits, who is ready, and what became of the calls of this quarter and today."""
    return FiguresOut.model_validate(await served.oversight.statistics.figures())


@router.get(
    "/intervals",
    summary="Every quarter of an hour",
    responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def intervals(
    who: Supervisor, served: Served, since: Moment, until: Moment
) -> list[IntervalOut]:
    """Return the quarters that began in a span of at most 31 days, by line, skill and group."""
    if not 0 <= until - since <= LONGEST_SPAN:
        raise ApiError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "bad_span",
            "until is not before since, and at most 31 days after it",
            field="until",
        )
    found = await served.oversight.statistics.intervals(since, until)
    served.audit.note(who.id, "statistics.export", "intervals", {"since": since, "until": until})
    return [IntervalOut.model_validate(row) for row in found]


@board.websocket("/board")
async def figures(websocket: WebSocket, *, attended: bool = False) -> None:
    """Send the figures until the board goes or its session ends.

    A wall has nobody who moves a mouse: that its board is open is use of the session. A page at
    which somebody sits says so (`attended`): its session goes on by what he does.
    """
    served = services_of(websocket)
    try:
        who = await admit(websocket, served, roles=LEADERS)
    except ApiError as error:
        await websocket.send_denial_response(error_response(error))
        return
    await websocket.accept()
    reader = asyncio.create_task(_gone(websocket))
    try:
        while (
            now := await identify(served, who.token, attended=not attended)
        ) is not None and now.leads:
            await websocket.send_text(encode(await _message(served)))
            done, _ = await asyncio.wait({reader}, timeout=BEAT_SECONDS)
            if done:
                return
        await websocket.close(4401, "signed_out")
    except WebSocketDisconnect:
        return
    finally:
        reader.cancel()


async def _message(served: Services) -> dict[str, Any]:
    return {
        "event": "board.figures",
        **await served.oversight.statistics.figures(),
        "services": await services_shown(served),
    }


async def _gone(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
