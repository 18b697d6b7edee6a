"""The SIP ladder of a call, for administrators."""

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from calls.ladders import Ladder
from telephony.sip.ladder import draw
from web.auth import Admin, Viewer
from web.errors import documented, not_found
from web.routes_calls import CallId
from web.schemas_records import LadderOut
from web.services import Served, Services

router = APIRouter(
    prefix="/calls",
    tags=["calls"],
    responses=documented(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
)


async def _find(served: Services, who: Viewer, call_id: str) -> Ladder:
    found = await served.ladders.of(call_id)
    if found is None:
        raise not_found("ladder of that call")
    served.audit.note(who.id, "ladder.view", call_id)
    return found


@router.get("/{call_id}/ladder", summary="The SIP messages of a call")
async def ladder(call_id: CallId, who: Admin, served: Served) -> LadderOut:
    """Return every message in the order of time; whole ones while the node still has them."""
    found = await _find(served, who, call_id)
    return LadderOut.model_validate(
        {"rungs": [rung.to_dict() for rung in found.rungs], "texts": found.texts}
    )


@router.get(
    "/{call_id}/ladder.txt",
    summary="The same, drawn",
    response_class=Response,
    responses={
        HTTPStatus.OK: {"content": {"text/plain": {}}, "description": "A column for each peer."}
    },
)
async def drawn(call_id: CallId, who: Admin, served: Served) -> PlainTextResponse:
    """Return the ladder as text, a column for each peer."""
    return PlainTextResponse(draw((await _find(served, who, call_id)).rungs))
