"""Lines, skills, groups, opening hours and rules: looked at and changed by administrators.

Changes count at once, on every node, and each is in the audit trail with what was before and after.
A change that names the version it was made from is refused (409) when somebody else was faster.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query

from calls.routing_book import BadRouting, RoutingBook, Section, StaleRouting, UnknownEntry
from web.auth import Admin, Asker
from web.errors import ApiError, conflict, documented, not_found
from web.schemas import Page
from web.schemas_routing import ReasonOut, RoutingChangeOut, RoutingOut
from web.services import Served

_CHANGES = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_AUDITED = "routing.change"

Name = Annotated[str, Path(min_length=1, max_length=64, examples=["12345"])]
Expected = Annotated[
    int | None, Query(alias="version", ge=0, description="The version this change was made from.")
]


@contextmanager
def _refusing() -> Iterator[None]:
    """Answer with what the book refuses."""
    try:
        yield
    except BadRouting as error:
        raise ApiError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", str(error), field=error.field or None
        ) from error
    except StaleRouting as error:
        raise conflict("stale", str(error)) from error
    except UnknownEntry as error:
        raise not_found("entry") from error


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

    @routes.put("", summary="Change the whole document", responses=_CHANGES)
    async def replace(
        body: Annotated[dict[str, Any], Body()], who: Admin, expected: Expected = None
    ) -> RoutingOut:
        """Put another document into force; it must be complete and consistent."""
        with _refusing():
            await book.replace(body, who=who.id, expected=expected)
        return shown()

    @routes.delete("", summary="Go back to the configuration file", responses=_CHANGES)
    async def reset(who: Admin, expected: Expected = None) -> RoutingOut:
        """Put into force what the configuration file says; earlier versions are kept."""
        with _refusing():
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
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Page[RoutingChangeOut]:
        """Return changes, newest first."""
        found = await served.audit.list_(action=_AUDITED, limit=limit, offset=offset)
        items = [
            RoutingChangeOut(
                at=entry["at"],
                who=entry["who"],
                subject=entry["subject"],
                **(entry["detail"] or {}),
            )
            for entry in found
        ]
        return Page(items=items, limit=limit, offset=offset)

    @routes.put("/{section}/{name}", summary="Set one entry", responses=_CHANGES)
    async def put(
        section: Section,
        name: Name,
        body: Annotated[dict[str, Any], Body()],
        who: Admin,
        expected: Expected = None,
    ) -> RoutingOut:
        """Set a group, rule, line, caller, agent or reason; the rest stays as it is."""
        with _refusing():
            await book.put(section, name, body, who=who.id, expected=expected)
        return shown()

    @routes.delete("/{section}/{name}", summary="Remove one entry", responses=_CHANGES)
    async def remove(
        section: Section, name: Name, who: Admin, expected: Expected = None
    ) -> RoutingOut:
        """Remove an entry that nothing else names."""
        with _refusing():
            await book.put(section, name, None, who=who.id, expected=expected)
        return shown()

    return routes
