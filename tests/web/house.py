"""The web application on its fakes, and clients for it."""

from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import httpx
from fastapi import FastAPI

from calls.breaks import BreakDesk
from calls.routing_book import RoutingBook
from config.settings import load
from eventbus.bus import EventBus
from tests.support.documents import MemoryVersions
from tests.web.fake_breaks import MemoryBreaks
from tests.web.fake_call_backs import FakeAfterCall, FakeCallBacks
from tests.web.fake_calls import FakeCalls
from tests.web.fake_documents import fake_documents
from tests.web.fake_exchange import FakeExchange
from tests.web.fake_oversight import fake_oversight
from tests.web.fake_people import PASSWORD, Clock, FakeAccounts, FakeFloor
from tests.web.fake_phones import FakePhones
from tests.web.fake_prompts import fake_prompts
from tests.web.fake_records import (
    FakeAudit,
    FakeHealth,
    FakeHelper,
    FakeKnowledgeBase,
    FakeLadders,
    FakeReports,
)
from tests.web.fake_system import fake_system
from web.app import create_app
from web.feed import FeedHub
from web.other_nodes import OtherNodes
from web.ports import Oversight
from web.services import Services
from web.sessions import MemorySessions

BASE = "http://hotline.test"


@dataclass
class House:
    """Everything around one app, for a test to move."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    bus: EventBus = field(default_factory=EventBus)
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    health: FakeHealth = field(default_factory=FakeHealth)
    helper: FakeHelper = field(default_factory=FakeHelper)
    ladders: FakeLadders = field(default_factory=FakeLadders)
    knowledge: FakeKnowledgeBase = field(default_factory=FakeKnowledgeBase)
    phones: FakePhones = field(default_factory=FakePhones)
    call_backs: FakeCallBacks = field(default_factory=FakeCallBacks)
    after_call: FakeAfterCall = field(default_factory=FakeAfterCall)
    oversight: Oversight = field(default_factory=fake_oversight)
    exchange: FakeExchange = field(default_factory=FakeExchange)
    desktops: list[tuple[str, bool]] = field(default_factory=list)
    buffered_events: int = 512
    others: OtherNodes | None = None
    shared_sessions: MemorySessions | None = None

    def __post_init__(self) -> None:
        self.floor = FakeFloor(self.bus, self.clock)
        self.calls = FakeCalls(self.bus, self.floor, self.clock, self.folder)
        self.audit = FakeAudit(self.clock)
        self.routing = RoutingBook(
            MemoryVersions(),
            configured=load(None, {}).routing,
            lines={"12345": "general"},
            bus=self.bus,
            note=self.audit.note,
            clock=self.clock,
        )
        self.breaks = BreakDesk(
            MemoryBreaks(),
            bus=self.bus,
            reasons=lambda: self.routing.settings.reasons,
            clock=self.clock,
        )
        self.bus.subscribe(self.breaks.take)
        self.documents = fake_documents(self.routing, self.bus, self.audit.note, self.clock)
        self.prompts = fake_prompts(self.folder, self.bus, self.audit.note)
        self.documents["prompts"] = self.prompts.book
        own = MemorySessions(idle_seconds=600, clock=self.clock)
        self.sessions = self.shared_sessions or own
        services = Services(
            calls=self.calls,
            floor=self.floor,
            accounts=self.accounts,
            audit=self.audit,
            reports=FakeReports(),
            helper=self.helper,
            ladders=self.ladders,
            metrics=self.metrics,
            metrics_allowed=[ip_network("127.0.0.0/8")],
            knowledge=self.knowledge,
            routing=self.routing,
            documents=self.documents,
            exchange=self.exchange,
            call_backs=self.call_backs,
            breaks=self.breaks,
            after_call=self.after_call,
            feed=FeedHub(
                bus=self.bus,
                on_desktop=lambda agent_id, connected: self.desktops.append((agent_id, connected)),
                buffered=self.buffered_events,
            ),
            health=self.health,
            system=fake_system,
            prompts=self.prompts,
            oversight=self.oversight,
            phones=self.phones,
            version="0.1.0",
            sessions=self.sessions,
            clock=self.clock,
            others=self.others,
        )
        self.app: FastAPI = create_app(services)

    async def metrics(self) -> bytes:
        """A scrape."""
        return b"hotline_status 2.0\n"

    def visitor(self, source: tuple[str, int] = ("127.0.0.1", 123)) -> httpx.AsyncClient:
        """A client that is not signed in."""
        transport = httpx.ASGITransport(app=self.app, client=source)
        return httpx.AsyncClient(transport=transport, base_url=BASE, trust_env=False)

    async def signed_in(self, agent_id: str) -> httpx.AsyncClient:
        """A client with that person's token; no cookie."""
        client = self.visitor()
        client.headers["Authorization"] = f"Bearer {await self.token(agent_id)}"
        return client

    async def token(self, agent_id: str) -> str:
        """A token of that person's."""
        async with self.visitor() as client:
            body = {"agent_id": agent_id, "password": PASSWORD}
            answer = await client.post("/api/v1/session", json=body)
        answer.raise_for_status()
        token: str = answer.json()["token"]
        return token

    async def finished_call(self, call_id: str, agent_id: str) -> str:
        """Let an agent, who is on the floor, have a call; returns its ticket's id."""
        await self.floor.sign_in(agent_id)
        await self.floor.set_ready(agent_id)
        self.calls.offer(call_id, agent_id)
        ticket_id = self.calls.answer(call_id)
        self.calls.say(call_id, "caller", "我的电话是一五二五零三二二六六八")
        self.calls.hear(ticket_id, "address", "城厢镇人民路 8 号")
        self.calls.end(call_id)
        return ticket_id
