"""What callers hear from the system: listened to and replaced by administrators.

The changes are in ``/documents/prompts``: its trail, and its versions, which can be put back.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Path
from fastapi.responses import FileResponse

from calls.prompt_shelf import BadRecording, UnknownPrompt
from web.auth import Admin
from web.errors import ApiError, documented, not_found
from web.routes_documents import CHANGES, Expected, refusing
from web.schemas_prompts import PromptOut
from web.services import Served

router = APIRouter(
    prefix="/prompts",
    tags=["administration"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
)

Name = Annotated[
    str, Path(pattern=r"^((zh|en)\.)?[A-Za-z0-9-]{1,64}$", examples=["zh.welcome", "music"])
]
Octets = Annotated[
    bytes,
    Body(
        media_type="application/octet-stream",
        description="A WAV file: 16 bit PCM, mono, 8 or 16 kHz, at most ten minutes.",
    ),
]


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        with refusing():
            yield
    except BadRecording as error:
        raise ApiError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", str(error), field="recording"
        ) from error
    except UnknownPrompt as error:
        raise not_found("prompt") from error


@router.get("", summary="What callers hear")
async def listed(_who: Admin, served: Served) -> list[PromptOut]:
    """Return all recordings: what they say, how long, whether the city has replaced them."""
    found = await asyncio.to_thread(served.prompts.list_)
    return [PromptOut.model_validate(one, from_attributes=True) for one in found]


@router.get(
    "/{name}",
    summary="Listen",
    response_class=FileResponse,
    responses={
        **documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
        HTTPStatus.OK: {"content": {"audio/wav": {}}, "description": "The recording."},
    },
)
async def listen(name: Name, _who: Admin, served: Served) -> FileResponse:
    """Return the recording that is played now."""
    with _refusing():
        return FileResponse(served.prompts.path(name), media_type="audio/wav")


@router.put("/{name}", summary="Replace", responses=CHANGES, status_code=HTTPStatus.NO_CONTENT)
async def replace(
    *, who: Admin, name: Name, body: Octets, served: Served, expected: Expected = None
) -> None:
    """Play another recording from now on, on every node."""
    with _refusing():
        await served.prompts.put(name, body, who=who.id, expected=expected)


@router.delete(
    "/{name}",
    summary="Go back to the shipped one",
    responses=CHANGES,
    status_code=HTTPStatus.NO_CONTENT,
)
async def restore(name: Name, who: Admin, served: Served, expected: Expected = None) -> None:
    """Play the shipped recording again."""
    with _refusing():
        await served.prompts.restore(name, who=who.id, expected=expected)
