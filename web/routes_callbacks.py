"""The call-back list, and what a call came to."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from calls.callbacks import Scheduled
from tickets.masking import mask_number
from web.auth import Asker, Caller
from web.errors import ApiError, documented, not_found
from web.routes_calls import CallId, Paging, find_call, owner_of
from web.routes_tickets import TicketId
from web.schemas_base import Page
from web.schemas_callbacks import (
    CallBackCloseIn,
    CallBackHoursOut,
    CallBackOut,
    CallBackPromiseIn,
    CallBackStatus,
    DispositionIn,
    DispositionOut,
)
from web.services import Served

router = APIRouter(tags=["call-backs"], responses=documented(HTTPStatus.UNAUTHORIZED))

EntryId = Annotated[int, Path(ge=1, le=2**31 - 1)]
_LONGEST_PROMISE = 30 * 86400.0
_REFUSED = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


def _shown(entry: Mapping[str, Any]) -> CallBackOut:
    return CallBackOut.model_validate({**entry, "number": mask_number(entry["number"])})


@router.get(
    "/callbacks",
    summary="Whom to call back",
    responses=documented(HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def callbacks(
    who: Caller,
    served: Served,
    page: Annotated[Paging, Depends()],
    status: Annotated[CallBackStatus | None, Query()] = None,
) -> Page[CallBackOut]:
    """Return the call-back list: open entries by when they are due, others the newest first.

    Each number stands on it once, however often it has called. `callback.changed` events tell of
    every change.
    """
    del who
    entries = await served.call_backs.list_(status=status, limit=page.limit, offset=page.offset)
    items = [_shown(entry) for entry in entries]
    return Page(items=items, limit=page.limit, offset=page.offset)


@router.post(
    "/callbacks/{entry_id}/call",
    summary="Call somebody back",
    status_code=HTTPStatus.ACCEPTED,
    responses=_REFUSED,
)
async def call(entry_id: EntryId, who: Caller, served: Served) -> None:
    """Ring the asker's own phone, and when he has picked it up call the citizen.

    Once the citizen answers the entry is closed; if he does not it is due again later, and closed
    after several attempts. 409 when somebody else is calling him, or the asker talks or has no
    phone.
    """
    await served.call_backs.call(entry_id, agent_id=who.id)
    served.audit.note(who.id, "callback.call", str(entry_id))


@router.post(
    "/callbacks/{entry_id}/close",
    summary="Take somebody off the list",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_REFUSED,
)
async def close(entry_id: EntryId, body: CallBackCloseIn, who: Caller, served: Served) -> None:
    """Close an entry by hand; who did it is kept."""
    await served.call_backs.finish(entry_id, agent_id=who.id, outcome=body.outcome, note=body.note)
    served.audit.note(who.id, "callback.close", str(entry_id), {"outcome": body.outcome})


@router.get(
    "/callbacks/hours",
    summary="When citizens should be called",
    responses=documented(HTTPStatus.FORBIDDEN),
)
async def hours(_who: Caller, served: Served) -> CallBackHoursOut:
    """Return the city's hours for calling back (`call_back.hours`); a promise may lie outside."""
    return CallBackHoursOut(hours=served.call_backs.hours)


@router.post(
    "/tickets/{ticket_id}/call-back",
    summary="Promise the citizen a call at a time",
    status_code=HTTPStatus.CREATED,
    responses=_REFUSED,
)
async def promise(
    ticket_id: TicketId, body: CallBackPromiseIn, who: Caller, served: Served
) -> CallBackOut:
    """Put the ticket's citizen on the call-back list, due then: its agent may, and a leader.

    His number is the ticket's, or the one that he called from. An open entry of that number becomes
    this one; 409 when it is another agent's promise that is not due yet, or he is being called now.
    When it is due it stands first on the list, and its agent's desktop reminds him.
    """
    ticket = await served.calls.ticket(ticket_id)
    if ticket is None or not (who.leads or ticket.get("agent_id") == who.id):
        raise not_found("ticket")
    now = served.clock()
    if not now < body.due_at <= now + _LONGEST_PROMISE:
        raise _unprocessable("bad_time", "in the future, at most 30 days from now", "due_at")
    call = await served.calls.call(ticket["call_id"]) if ticket.get("call_id") else None
    number = _said(ticket, "phone") or (call or {}).get("caller")
    if not number:
        raise _unprocessable("no_number", "nobody has told a number to call", "ticket_id")
    wanted = Scheduled(
        number=number,
        line=(call or {}).get("line") or "",
        call_id=ticket.get("call_id") or "",
        at=body.due_at,
        agent_id=who.id,
        note=body.note,
    )
    entry = await served.call_backs.schedule(wanted)
    served.audit.note(who.id, "callback.schedule", str(entry["id"]), {"ticket": ticket_id})
    return _shown(entry)


def _said(ticket: Mapping[str, Any], name: str) -> str | None:
    field = ticket["fields"].get(name)
    return (field["value"] or None) if field else None


def _unprocessable(code: str, message: str, field: str) -> ApiError:
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, code, message, field=field)


@router.get("/dispositions", summary="What a call can come to")
async def dispositions(who: Asker, served: Served) -> list[DispositionOut]:
    """Return the city's list (`rating.dispositions`), in its order."""
    del who
    listed = served.after_call.dispositions
    return [DispositionOut(code=code, name=name) for code, name in listed.items()]


@router.put(
    "/calls/{call_id}/disposition",
    summary="Say what a call came to",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_REFUSED,
)
async def dispose(call_id: CallId, body: DispositionIn, who: Asker, served: Served) -> None:
    """Choose for one's own part of a call, while it lasts or after it; the latest choice counts."""
    if not owner_of(await find_call(served, who, call_id), who):
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "only an agent of this call can do that")
    await served.after_call.dispose(
        call_id, agent_id=who.id, code=body.code, note=body.note, at=served.clock()
    )
