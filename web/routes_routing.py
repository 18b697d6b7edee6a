"""Lines, skills, groups, opening hours and rules: looked at and changed by administrators.

Changes count at once, on every node, and each is in the audit trail with what was before and after.
A change that names the version it was made from is refused (409) when somebody else was faster.
"""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from calls.routing_book import RoutingBook, Section
from web.auth import Admin, Asker
from web.errors import documented
from web.routes_documents import CHANGES, Expected, Limit, Offset, changes_of, refusing
from web.schemas_base import Page
from web.schemas_routing import ReasonOut, RoutingChangeOut, RoutingOut
from web.services import Served

Name = Annotated[str, Path(min_length=1, max_length=64, examples=["12345"])]


router = APIRouter(
    prefix="/routing",
    tags=["routing"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
)


def _shown(book: RoutingBook) -> RoutingOut:
    return RoutingOut(version=book.version, document=book.settings)


@router.get("", summary="The document in force")
async def document(_who: Admin, served: Served) -> RoutingOut:
    """Return skills, groups, lines, rules and reasons."""
    return _shown(served.routing)


@router.get("/reasons", summary="Why agents may be not ready")
async def reasons(_who: Asker, served: Served) -> list[ReasonOut]:
    """Return the reasons that a desktop offers, to everybody."""
    return [
        ReasonOut(reason=key, name=reason.name, minutes=reason.minutes)
        for key, reason in served.routing.settings.reasons.items()
    ]


@router.put("", summary="Change the whole document", responses=CHANGES)
async def replace(
    body: Annotated[dict[str, Any], Body()], who: Admin, served: Served, expected: Expected = None
) -> RoutingOut:
    """Put another document into force; it must be complete and consistent."""
    with refusing():
        await served.routing.replace(body, who=who.id, expected=expected)
    return _shown(served.routing)


@router.delete("", summary="Go back to the configuration file", responses=CHANGES)
async def reset(who: Admin, served: Served, expected: Expected = None) -> RoutingOut:
    """Put into force what the configuration file says; earlier versions are kept."""
    with refusing():
        await served.routing.replace(None, who=who.id, expected=expected)
    return _shown(served.routing)


@router.get(
    "/changes",
    summary="Who changed what",
    responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def changes(
    _who: Admin,
    served: Served,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[RoutingChangeOut]:
    """Return changes, newest first."""
    found = await changes_of(served.routing.action, served, limit=limit, offset=offset)
    items = [RoutingChangeOut.model_validate(one) for one in found]
    return Page(items=items, limit=limit, offset=offset)


@router.put("/{section}/{name}", summary="Set one entry", responses=CHANGES)
async def put(
    section: Section,
    name: Name,
    body: Annotated[dict[str, Any], Body()],
    who: Admin,
    *,
    served: Served,
    expected: Expected = None,
) -> RoutingOut:
    """Set a group, rule, line, caller, agent or reason; the rest stays as it is."""
    with refusing():
        await served.routing.put(section, name, body, who=who.id, expected=expected)
    return _shown(served.routing)


@router.delete("/{section}/{name}", summary="Remove one entry", responses=CHANGES)
async def remove(
    section: Section, name: Name, who: Admin, served: Served, expected: Expected = None
) -> RoutingOut:
    """Remove an entry that nothing else names."""
    with refusing():
        await served.routing.put(section, name, None, who=who.id, expected=expected)
    return _shown(served.routing)
