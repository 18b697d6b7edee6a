"""Puts the API and the desktop together."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from calls.routing_book import RoutingBook
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
from web.feed import BUFFERED_EVENTS, FeedHub
from web.other_nodes import CarryToHolder, OtherNodes
from web.ports import (
    Audit,
    Bus,
    Documents,
    Exchange,
    Health,
    KnowledgeBase,
    Oversight,
    Prompts,
    Reports,
    System,
)
from web.ports_calls import AfterCall, CallBacks, Calls, Helper, LadderSource
from web.ports_people import Accounts, Breaks, Floor, OnDesktop, Phones
from web.services import Network, Services
from web.sessions import MemorySessions, SessionStore

_DESCRIPTION = """\
The hotline's calls, tickets and agents.

Sign in with `POST /api/v1/session`; send the token as `Authorization: Bearer`. A browser has the
cookie instead, and adds `X-Requested-With: hotline` to every request that changes something.

Times are Unix seconds. Phone numbers are masked (`152****2668`) for everybody who is not on the
call. Whatever is refused is answered with `{"error": {"code", "message", "field"}}`.

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


def create_app(
    *,
    calls: Calls,
    floor: Floor,
    accounts: Accounts,
    audit: Audit,
    reports: Reports,
    helper: Helper,
    ladders: LadderSource,
    metrics: Callable[[], Awaitable[bytes]],
    metrics_allowed: Sequence[Network] = (),
    knowledge: KnowledgeBase,
    call_backs: CallBacks,
    breaks: Breaks,
    after_call: AfterCall,
    bus: Bus,
    exchange: Exchange,
    health: Health,
    system: System,
    prompts: Prompts,
    oversight: Oversight,
    phones: Phones,
    routing: RoutingBook,
    version: str,
    documents: Documents | None = None,
    sessions: SessionStore | None = None,
    on_desktop: OnDesktop | None = None,
    clock: Callable[[], float] = time.time,
    buffered_events: int = BUFFERED_EVENTS,
    others: OtherNodes | None = None,
) -> FastAPI:
    """Return the web application.

    Args:
        calls: calls and tickets.
        floor: agents' presence.
        accounts: who may sign in.
        reports: makes reports.
        helper: help for live calls.
        ladders: the SIP messages of calls.
        metrics: awaited by ``GET /metrics``.
        metrics_allowed: the networks that may scrape.
        knowledge: the knowledge base.
        call_backs: the call-back list.
        breaks: how long agents are not ready.
        after_call: dispositions.
        audit: is told of views, exports and changes.
        bus: where the feed's events come from; subscribed to while the app runs.
        exchange: tickets handed over to and by partners.
        health: awaited by ``GET /api/v1/health`` and for the feed's snapshot.
        prompts: what callers hear from the system.
        system: awaited by ``GET /api/v1/system``.
        phones: passes and lines of the phones in pages.
        oversight: live figures, call search, quality inspection.
        routing: the routing document, for administrators.
        version: shown by health and in the API's description.
        documents: what administrators change, by name; None: nothing.
        sessions: shared by the nodes through Redis, or (the default) this node's own.
        on_desktop: told (agent_id, connected) when an agent's first desktop connects and when his
            last one goes.
        clock: Unix seconds.
        buffered_events: a desktop that is this far behind is dropped.
        others: the hotline's other nodes; None: there are none.
    """
    hub = FeedHub(bus=bus, on_desktop=on_desktop, buffered=buffered_events)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        hub.open()
        try:
            yield
        finally:
            hub.close()

    app = FastAPI(
        title="12345 hotline",
        version=version,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        routes=[*_routes()],
    )
    app.state.services = Services(
        calls=calls,
        floor=floor,
        accounts=accounts,
        audit=audit,
        reports=reports,
        helper=helper,
        ladders=ladders,
        knowledge=knowledge,
        exchange=exchange,
        routing=routing,
        documents=documents or {},
        prompts=prompts,
        call_backs=call_backs,
        breaks=breaks,
        after_call=after_call,
        health=health,
        system=system,
        oversight=oversight,
        phones=phones,
        metrics=metrics,
        metrics_allowed=metrics_allowed,
        sessions=sessions or MemorySessions(),
        feed=hub,
        version=version,
        clock=clock,
        others=others,
    )
    errors.install(app)
    pages.install(app)
    if others is not None:
        others.on_desk = hub.taken_over
        others.runs(app)
        app.add_middleware(CarryToHolder, nodes=others, signed_in=is_signed_in)
    app.add_middleware(BodyLimit, signed_in=is_signed_in)
    app.add_middleware(pages.ProtectiveHeaders)
    return app
