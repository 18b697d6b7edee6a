"""What the routes work with, handed to them by ``create_app``."""

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
    """Everything behind the API."""

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
