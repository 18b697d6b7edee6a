"""Puts the API and the desktop together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from web import (
    errors,
    feed_route,
    pages,
    routes_accounts,
    routes_agents,
    routes_audit,
    routes_callbacks,
    routes_calls,
    routes_desk,
    routes_document_rows,
    routes_documents,
    routes_exchange,
    routes_health,
    routes_inbox,
    routes_knowledge,
    routes_ladder,
    routes_metrics,
    routes_parties,
    routes_phone,
    routes_prompts,
    routes_quality,
    routes_reports,
    routes_routing,
    routes_session,
    routes_statistics,
    routes_supervisor,
    routes_system,
    routes_tickets,
    routes_transfer,
)
from web.auth import is_signed_in
from web.body_limit import BodyLimit
from web.other_nodes import CarryToHolder
from web.services import Services

_DESCRIPTION = """\
The hotline's calls, tickets and agents.

Sign in with `POST /api/v1/session`; send the token as `Authorization: Bearer`. A browser has the
cookie instead, and adds `X-Requested-With: hotline` to every request that changes something.

Times are Unix seconds. Phone numbers are masked (`152****2668`) for everybody who is not on the
call. Whatever is refused is answered with
`{"error": {"code", "message", "field", "chinese"}}`.

`WebSocket /api/v1/feed` sends a snapshot and then every event; the events are described in
docs/events.md.
"""
_PREFIX = "/api/v1"
_TAGS = [
    {"name": "session", "description": "Signing in and out"},
    {"name": "me", "description": "The asker himself"},
    {"name": "calls", "description": "Calls, transcripts, recordings"},
    {"name": "call-backs", "description": "Whom to call back"},
    {"name": "tickets", "description": "Tickets"},
    {"name": "exchange", "description": "Tickets handed over to and by partners (工单互派)"},
    {"name": "knowledge", "description": "Help while talking"},
    {"name": "reports", "description": "The day, week and month; for supervisors"},
    {"name": "audit", "description": "Views, exports and changes; for administrators"},
    {"name": "statistics", "description": "Live figures, quarters of an hour; for supervisors"},
    {"name": "quality", "description": "Finding and judging calls; for inspectors"},
    {"name": "administration", "description": "For administrators"},
    {"name": "routing", "description": "Who gets which calls; for administrators"},
    {"name": "documents", "description": "What administrators change while calls go on"},
    {"name": "agents", "description": "For supervisors and administrators"},
    {"name": "health", "description": "How the node is"},
]


_PARTS = (
    routes_session,
    routes_agents,
    routes_calls,
    routes_transfer,
    routes_desk,
    routes_callbacks,
    routes_supervisor,
    routes_parties,
    routes_tickets,
    routes_audit,
    routes_reports,
    routes_statistics,
    routes_quality,
    routes_accounts,
    routes_knowledge,
    routes_ladder,
    routes_documents,
    routes_document_rows,
    routes_prompts,
    routes_exchange,
    routes_inbox,
    routes_health,
    routes_system,
    feed_route,
    routes_phone,
    routes_routing,
)


@cache
def _routes() -> Sequence[BaseRoute]:
    """Return what all applications of a process have in common.

    Made once: to read all routes' signatures takes a quarter of a second, and FastAPI does it anew
    for each router that they are included in.
    """
    every = APIRouter()
    every.include_router(routes_tickets.tree, prefix=_PREFIX)
    every.include_router(routes_statistics.board, prefix=_PREFIX)
    for part in _PARTS:
        every.include_router(part.router, prefix=_PREFIX)
    every.include_router(routes_metrics.router)
    return every.routes


def create_app(services: Services) -> FastAPI:
    """Return the web application; while it runs, its feed takes the bus's events."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        services.feed.open()
        try:
            yield
        finally:
            services.feed.close()

    app = FastAPI(
        title="12345 hotline",
        version=services.version,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        routes=[*_routes()],
    )
    app.state.services = services
    errors.install(app)
    pages.install(app)
    if (others := services.others) is not None:
        others.on_desk = services.feed.taken_over
        others.runs(app)
        app.add_middleware(CarryToHolder, nodes=others, signed_in=is_signed_in)
    app.add_middleware(BodyLimit, signed_in=is_signed_in)
    app.add_middleware(pages.ProtectiveHeaders)
    return app
