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


def router(book: RoutingBook) -> APIRouter:
    """Return the routes around the document in force."""
    routes = APIRouter(
        prefix="/routing",
        tags=["routing"],
        responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
    )

    def shown() -> RoutingOut:
        return RoutingOut(version=book.version, document=book.settings)

    @routes.get("", summary="The document in force")
    async def document(_who: Admin) -> RoutingOut:
        """Return skills, groups, lines, rules and reasons."""
        return shown()

    @routes.get("/reasons", summary="Why agents may be not ready")
    async def reasons(_who: Asker) -> list[ReasonOut]:
        """Return the reasons that a desktop offers, to everybody."""
        return [
            ReasonOut(reason=key, name=reason.name, minutes=reason.minutes)
            for key, reason in book.settings.reasons.items()
        ]

    @routes.put("", summary="Change the whole document", responses=CHANGES)
    async def replace(
        body: Annotated[dict[str, Any], Body()], who: Admin, expected: Expected = None
    ) -> RoutingOut:
        """Put another document into force; it must be complete and consistent."""
        with refusing():
            await book.replace(body, who=who.id, expected=expected)
        return shown()

    @routes.delete("", summary="Go back to the configuration file", responses=CHANGES)
    async def reset(who: Admin, expected: Expected = None) -> RoutingOut:
        """Put into force what the configuration file says; earlier versions are kept."""
        with refusing():
            await book.replace(None, who=who.id, expected=expected)
        return shown()

    @routes.get(
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
        found = await changes_of(book.action, served, limit=limit, offset=offset)
        items = [RoutingChangeOut.model_validate(one) for one in found]
        return Page(items=items, limit=limit, offset=offset)

    @routes.put("/{section}/{name}", summary="Set one entry", responses=CHANGES)
    async def put(
        section: Section,
        name: Name,
        body: Annotated[dict[str, Any], Body()],
        who: Admin,
        expected: Expected = None,
    ) -> RoutingOut:
        """Set a group, rule, line, caller, agent or reason; the rest stays as it is."""
        with refusing():
            await book.put(section, name, body, who=who.id, expected=expected)
        return shown()

    @routes.delete("/{section}/{name}", summary="Remove one entry", responses=CHANGES)
    async def remove(
        section: Section, name: Name, who: Admin, expected: Expected = None
    ) -> RoutingOut:
        """Remove an entry that nothing else names."""
        with refusing():
            await book.put(section, name, None, who=who.id, expected=expected)
        return shown()

    return routes
