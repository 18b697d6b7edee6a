"""The audit trail: who looked at what, took it out of the house, or changed it."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from web.auth import Admin
from web.errors import documented
from web.routes_calls import Paging
from web.schemas_base import Page
from web.schemas_records import AuditOut
from web.services import Served

router = APIRouter(
    prefix="/audit",
    tags=["audit"],
    responses=documented(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY
    ),
)

Moment = Annotated[float | None, Query(ge=0, description="Unix seconds.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are wanted."""

    by: Annotated[str | None, Query(max_length=32, description="An account's number.")] = None
    action: Annotated[str | None, Query(max_length=40)] = None
    subject: Annotated[str | None, Query(max_length=128)] = None
    since: Moment = None
    until: Moment = None


@router.get("", summary="Views, exports and changes")
async def entries(
    who: Admin,
    served: Served,
    wanted: Annotated[Wanted, Depends()],
    page: Annotated[Paging, Depends()],
) -> Page[AuditOut]:
    """Return entries, newest first; looking at them is an entry too."""
    found = await served.audit.list_(
        who=wanted.by,
        action=wanted.action,
        subject=wanted.subject,
        since=wanted.since,
        until=wanted.until,
        limit=page.limit,
        offset=page.offset,
    )
    served.audit.note(who.id, "audit.view", wanted.by or wanted.subject or "all")
    items = [AuditOut.model_validate(entry) for entry in found]
    return Page(items=items, limit=page.limit, offset=page.offset)
