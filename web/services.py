"""What the routes work with; ``create_app`` hands it to them."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from calls.routing_book import RoutingBook
from web.feed import FeedHub
from web.other_nodes import OtherNodes
from web.ports import (
    Audit,
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
from web.ports_people import Accounts, Breaks, Floor, Phones
from web.sessions import SessionStore

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything behind the API.

    Attributes:
        calls: calls and tickets.
        floor: agents' presence.
        accounts: who may sign in.
        audit: is told of views, exports and changes.
        reports: makes reports.
        helper: help for live calls.
        ladders: the SIP messages of calls.
        knowledge: the knowledge base.
        exchange: tickets handed over to and by partners.
        routing: the routing document, for administrators.
        documents: what administrators change, by name.
        prompts: what callers hear from the system.
        call_backs: the call-back list.
        breaks: how long agents are not ready.
        after_call: dispositions.
        health: awaited by ``GET /api/v1/health`` and for the feed's snapshot.
        system: awaited by ``GET /api/v1/system``.
        oversight: live figures, call search, quality inspection.
        phones: passes and lines of the phones in pages.
        metrics: awaited by ``GET /metrics``.
        metrics_allowed: the networks that may scrape.
        sessions: who is signed in, here or (through Redis) at any node.
        feed: the desktops that are connected, and the events they are sent.
        version: shown by health and in the API's description.
        clock: Unix seconds.
        others: the hotline's other nodes; None: there are none.
    """

    calls: Calls
    floor: Floor
    accounts: Accounts
    audit: Audit
    reports: Reports
    helper: Helper
    ladders: LadderSource
    knowledge: KnowledgeBase
    exchange: Exchange
    routing: RoutingBook
    documents: Documents
    prompts: Prompts
    call_backs: CallBacks
    breaks: Breaks
    after_call: AfterCall
    health: Health
    system: System
    oversight: Oversight
    phones: Phones
    metrics: Callable[[], Awaitable[bytes]]
    metrics_allowed: Sequence[Network]
    sessions: SessionStore
    feed: FeedHub
    version: str
    clock: Callable[[], float] = time.time
    others: OtherNodes | None = None


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the app that serves this connection."""
    services: Services = connection.app.state.services
    return services


Served = Annotated[Services, Depends(services_of)]
