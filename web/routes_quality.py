"""Finding past calls, looking at them and judging them: for supervisors and inspectors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Query

from calls.finder import Sought
from calls.quality import CRITERIA, BadAssessment, Mark
from calls.waveform import outline
from telephony.media.sealed import SUFFIX
from web.auth import Inspector
from web.errors import ApiError, documented, not_found
from web.masking import masked
from web.routes_calls import CallId, Paging, find_call
from web.schemas_base import Page
from web.schemas_oversight import AssessmentIn, AssessmentOut, FoundCallOut, QualityOut, WaveformOut
from web.services import Served, Services

router = APIRouter(
    tags=["quality"],
    responses=documented(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY
    ),
)
_ONE = documented(HTTPStatus.NOT_FOUND)
_Moment = Annotated[float | None, Query(ge=0, le=1e11, description="Unix seconds.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls are looked for."""

    number: Annotated[str | None, Query(pattern=r"^[0-9+]{3,20}$", description="A part.")] = None
    agent_id: Annotated[str | None, Query(max_length=32)] = None
    line: Annotated[str | None, Query(max_length=32)] = None
    text: Annotated[
        str | None, Query(min_length=2, max_length=50, description="Words of the transcript.")
    ] = None
    category: Annotated[str | None, Query(min_length=1, max_length=100)] = None
    since: _Moment = None
    until: _Moment = None


@router.get("/call-search", summary="Find calls")
async def search(
    who: Inspector,
    served: Served,
    wanted: Annotated[Wanted, Depends()],
    page: Annotated[Paging, Depends()],
) -> Page[FoundCallOut]:
    """Return matching calls, newest first, numbers masked; that it was asked for is kept."""
    asked = {name: value for name, value in asdict(wanted).items() if value is not None}
    served.audit.note(who.id, "call.search", "calls", masked(asked))
    found = await served.oversight.finder.find(
        Sought(**asked), limit=page.limit, offset=page.offset
    )
    items = [FoundCallOut.model_validate(masked(call)) for call in found]
    return Page(items=items, limit=page.limit, offset=page.offset)


def _outline(served: Services, path: Path, columns: int) -> tuple[float, list[list[float]]]:
    """Return a recording's outline; one that is encrypted where it lies is decrypted on its way."""
    if path.suffix != SUFFIX:
        return outline(path, columns)
    audio = served.calls.unsealed(path, 0, served.calls.unsealed_octets(path) - 1)
    with TemporaryFile() as whole:  # an hour has 115 MB: not in memory, and nowhere by a name
        for piece in audio:
            whole.write(piece)
        whole.seek(0)
        return outline(whole, columns)


@router.get("/calls/{call_id}/waveform", summary="The recording's outline", responses=_ONE)
async def waveform(
    call_id: CallId,
    who: Inspector,
    served: Served,
    part: Annotated[int, Query(ge=1, le=100)] = 1,
    columns: Annotated[int, Query(ge=10, le=4000)] = 800,
) -> WaveformOut:
    """Return how loud each side is, for a picture that the playback is followed on."""
    await find_call(served, who, call_id)
    path = await served.calls.recording(call_id, part=part)
    if path is None or not await anyio.Path(path).is_file():
        raise not_found("recording")
    try:
        seconds, channels = await anyio.to_thread.run_sync(_outline, served, path, columns)
    except ValueError as error:
        raise not_found("recording that can be read") from error
    return WaveformOut(seconds=seconds, channels=channels)


@router.get("/calls/{call_id}/assessments", summary="What was said of a call", responses=_ONE)
async def assessments(call_id: CallId, who: Inspector, served: Served) -> QualityOut:
    """Return the criteria and the assessments so far, oldest first."""
    await find_call(served, who, call_id)
    said = await served.oversight.quality.of(call_id)
    return QualityOut(criteria=dict(CRITERIA), assessments=[_shown(row) for row in said])


@router.post(
    "/calls/{call_id}/assessments",
    summary="Judge a call",
    status_code=HTTPStatus.CREATED,
    responses=_ONE | documented(HTTPStatus.BAD_REQUEST),
)
async def assess(
    call_id: CallId, body: AssessmentIn, who: Inspector, served: Served
) -> AssessmentOut:
    """Add an assessment; nobody changes one that is there."""
    record = await find_call(served, who, call_id)
    try:
        row = await served.oversight.quality.assess(
            call_id,
            who=who.id,
            agent_id=record.get("agent_id"),
            scores=body.scores,
            marks=[Mark(mark.at, mark.note) for mark in body.marks],
            comment=body.comment,
        )
    except BadAssessment as error:
        raise ApiError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "bad_score", str(error), field=f"scores.{error.field}"
        ) from error
    served.audit.note(who.id, "call.assess", call_id, {"total": row["total"]})
    return _shown(row)


def _shown(row: Mapping[str, Any]) -> AssessmentOut:
    return AssessmentOut.model_validate(dict(row))
