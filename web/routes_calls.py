"""Calls: live, recorded, their transcripts and recordings."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from calls.redaction import Span
from telephony.media.sealed import SUFFIX
from web.auth import Asker, Supervisor, Viewer
from web.byte_range import Unsatisfiable, read_range, whole
from web.chinese import in_chinese
from web.errors import documented, not_found
from web.masking import masked
from web.other_nodes import CARRIED
from web.ports_calls import LiveCall
from web.schemas_base import Page
from web.schemas_calls import (
    CallOut,
    LiveCallOut,
    RecordingPauseIn,
    RedactionIn,
    RedactionOut,
    UtteranceOut,
)
from web.services import Served, Services

router = APIRouter(prefix="/calls", tags=["calls"], responses=documented(HTTPStatus.UNAUTHORIZED))

CallId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:@+~-]{1,128}$")]
INTACT = "Recording-Intact"
"""Header: whether a recording still is what was recorded."""
_ONE = documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is wanted."""

    limit: Annotated[int, Query(ge=1, le=200)] = 50
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0


def owner_of(call: Mapping[str, Any], who: Viewer) -> bool:
    """Whether the asker is, or was, on the call."""
    on_it = {
        segment.get("agent_id")
        for segment in call.get("segments", ())
        if segment.get("answered_at") is not None and segment.get("kind") != "supervisor"
    }
    return call.get("agent_id") == who.id or who.id in on_it


def live_call(view: LiveCall, who: Viewer) -> LiveCallOut:
    """Return a live call as the asker may see it; while it rings, without the number."""
    shown = LiveCallOut.model_validate(view)
    if not who.leads:  # who is listened to is not told
        shown = shown.model_copy(update={"supervisor": None, "supervision": None})
    if view.agent_id == who.id and view.state == "talking":
        return shown
    return LiveCallOut.model_validate(masked(shown.model_dump()))


async def live_calls(served: Services, who: Viewer, *, everywhere: bool) -> list[LiveCallOut]:
    """Return the live calls that the asker may see, of this node or of all."""
    own = [live_call(view, who) for view in served.calls.live() if who.may_lead(view.agent_id)]
    if served.others is None or not everywhere:
        return own
    others = [
        LiveCallOut.model_validate(call) for call in await served.others.live_calls(who.token)
    ]
    return sorted(own + others, key=lambda call: call.arrived_at) if others else own


async def find_call(served: Services, who: Viewer, call_id: str) -> dict[str, Any]:
    """Return a call's record as stored; 404 when there is none, or it is somebody else's."""
    record = await served.calls.call(call_id)
    if record is None:
        view = next((view for view in served.calls.live() if view.call_id == call_id), None)
        record = LiveCallOut.model_validate(view).model_dump() if view is not None else None
    if record is None or not (who.reads_all or owner_of(record, who)):
        raise not_found("call")
    return record


def _shown(record: dict[str, Any], who: Viewer) -> CallOut:
    return CallOut.model_validate(record if owner_of(record, who) else masked(record))


@router.get("", summary="Call records", responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY))
async def calls(who: Asker, served: Served, page: Annotated[Paging, Depends()]) -> Page[CallOut]:
    """Return the asker's calls, for supervisors everybody's, newest first."""
    records = await served.calls.calls(
        agent_id=None if who.reads_all else who.id, limit=page.limit, offset=page.offset
    )
    if who.reads_all:
        seen = {"count": len(records), "offset": page.offset}
        served.audit.look(who.id, "call.list", "all", seen)
    items = [_shown(record, who) for record in records]
    return Page(items=items, limit=page.limit, offset=page.offset)


@router.get("/live", summary="Calls in progress")
async def live(request: Request, who: Asker, served: Served) -> list[LiveCallOut]:
    """Return the asker's live call, for supervisors all, also waiting ones and other nodes'."""
    return await live_calls(served, who, everywhere=CARRIED not in request.scope)


@router.get("/{call_id}", summary="One call", responses=_ONE)
async def call(call_id: CallId, who: Asker, served: Served) -> CallOut:
    """Return a call's record, with a segment for each agent who took part."""
    record = await find_call(served, who, call_id)
    if not owner_of(record, who):
        served.audit.note(who.id, "call.view", call_id)
    return _shown(record, who)


@router.get("/{call_id}/transcript", summary="What was said", responses=_ONE)
async def transcript(call_id: CallId, who: Asker, served: Served) -> list[UtteranceOut]:
    """Return the utterances of both sides in order."""
    record = await find_call(served, who, call_id)
    said = await served.calls.transcript(call_id)
    served.audit.note(who.id, "transcript.view", call_id)
    shown = said if owner_of(record, who) else masked(said)
    return [UtteranceOut.model_validate(utterance) for utterance in shown]


@router.get(
    "/{call_id}/recording",
    summary="The recording",
    response_class=FileResponse,
    responses=_ONE
    | documented(HTTPStatus.CONFLICT)
    | {
        HTTPStatus.OK: {"content": {"audio/wav": {}}, "description": "Stereo: citizen, agent."},
        HTTPStatus.PARTIAL_CONTENT: {"content": {"audio/wav": {}}, "description": "A range."},
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: {"description": "No such range."},
    },
)
async def recording(
    call_id: CallId,
    who: Asker,
    served: Served,
    *,
    request: Request,
    part: Annotated[int, Query(ge=1, le=100)] = 1,
    side: Annotated[Literal["caller", "agent"] | None, Query()] = None,
) -> Response:
    """Return the stereo WAV (8 kHz, 16 bit; left the citizen, right the agent); takes ranges.

    With `side` it is that side alone, mono and always as a whole.

    One that is encrypted where it lies is decrypted on its way, no more of it than is asked for.

    A call that was passed on has a part for each agent who held it. The header Recording-Intact
    says whether the file still is what was recorded (SHA-256).
    """
    await find_call(served, who, call_id)
    path = await served.calls.recording(call_id, part=part)
    if path is None or not await anyio.Path(path).is_file():
        raise not_found("recording")
    intact = await served.calls.is_intact(call_id, part=part)
    served.audit.note(who.id, "recording.listen", call_id)
    if intact is False:
        served.audit.note(who.id, "recording.altered", call_id, {"part": part})
    headers = {} if intact is None else {INTACT: "yes" if intact else "no"}
    if side is not None:
        length, audio = await anyio.to_thread.run_sync(served.calls.one_side, path, side)
        headers |= {"Content-Length": str(length)}
        headers |= {"Content-Disposition": f'attachment; filename="{call_id}-{side}.wav"'}
        return StreamingResponse(audio, media_type="audio/wav", headers=headers)
    if path.suffix == SUFFIX:
        headers |= {"Content-Disposition": f'attachment; filename="{call_id}.wav"'}
        return await _unsealed(served, path, request.headers.get("Range"), headers)
    return FileResponse(path, media_type="audio/wav", filename=f"{call_id}.wav", headers=headers)


async def _unsealed(
    served: Served, path: FilePath, asked: str | None, headers: dict[str, str]
) -> Response:
    """Return what was asked for of a sealed recording, as of a WAV file."""
    length = await anyio.to_thread.run_sync(served.calls.unsealed_octets, path)
    try:
        part = read_range(asked, length)
    except Unsatisfiable:
        return Response(
            status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={"Content-Range": f"bytes */{length}"},
        )
    status = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
    headers |= {"Accept-Ranges": "bytes"}
    if part is not None:
        headers |= {"Content-Range": part.content_range}
    sent = part or whole(length)
    headers |= {"Content-Length": str(sent.last + 1 - sent.first)}
    audio = served.calls.unsealed(path, sent.first, sent.last)
    return StreamingResponse(audio, status, media_type="audio/wav", headers=headers)


@router.put(
    "/{call_id}/recording/pause",
    summary="Pause the recording",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_ONE | documented(HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT),
)
async def pause_recording(
    call_id: CallId, body: RecordingPauseIn, who: Asker, served: Served
) -> None:
    """Record and transcribe nothing while a card's number is said; `false`: go on.

    Only in a live call: its agent may, and a supervisor. The gap begins with a beep and stands in
    the call's record.
    """
    view = next((view for view in served.calls.live() if view.call_id == call_id), None)
    if view is None or not who.may_lead(view.agent_id):
        raise not_found("call")
    await served.calls.pause_recording(call_id, paused=body.paused)
    action = "recording.pause" if body.paused else "recording.resume"
    served.audit.note(who.id, action, call_id)


@router.post(
    "/{call_id}/hang-up",
    summary="Hang up",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_ONE | documented(HTTPStatus.FORBIDDEN),
)
async def hang_up(call_id: CallId, who: Asker, served: Served) -> None:
    """End a live call: its agent may, and a supervisor.

    From the agent whom it is only held out to, it is a refusal: the next one gets the call.
    """
    view = next((view for view in served.calls.live() if view.call_id == call_id), None)
    if view is None or not who.may_lead(view.agent_id):
        raise not_found("call")
    await served.calls.hang_up(call_id, agent_id=who.id)


@router.post(
    "/{call_id}/redactions",
    summary="Silence a span of the recording",
    responses=_ONE | documented(HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST),
)
async def redact(
    call_id: CallId, body: RedactionIn, who: Supervisor, served: Served
) -> RedactionOut:
    """Silence a span for good and blacken its words in the transcript; for supervisors.

    What is on the disk of another node alone stays as it is: `unreached` names it.
    """
    await find_call(served, who, call_id)
    done = await served.calls.redact(call_id, Span(body.start, body.end, body.side))
    left = {"unreached": list(done.unreached)} if done.unreached else {}
    served.audit.note(who.id, "recording.redact", call_id, body.model_dump() | left)
    return RedactionOut(
        seconds=done.seconds,
        unreached=list(done.unreached),
        message=done.fault,
        chinese=in_chinese(done.fault) if done.fault else None,
    )
