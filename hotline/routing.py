"""Wires the routing of calls: the document in force, who plans calls by it, the watchdog."""

import time
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from agents.accounts import Accounts
from agents.floor import Stalled
from agents.node_floor import NodeFloor
from calls.audit import AuditTrail
from calls.breaks import BreakDesk, SqlBreaks
from calls.callers_past import PastCalls
from calls.documents import SqlVersions
from calls.records import RecordWriter
from calls.routing import CallRouter, RoutingKeeper
from calls.routing_book import NAME, RoutingBook
from config.settings import Settings
from eventbus.bus import EventBus
from hotline.health import HealthBoard


class Routing:
    """Everything about routing on this node."""

    def __init__(
        self,
        settings: Settings,
        *,
        engine: AsyncEngine,
        reader: AsyncEngine,
        writer: RecordWriter,
        accounts: Accounts,
        audit: AuditTrail,
        floor: NodeFloor,
        bus: EventBus,
        health: HealthBoard,
    ) -> None:
        self._accounts = accounts
        self._health = health
        self.book = RoutingBook(
            SqlVersions(engine, NAME),
            configured=settings.routing,
            lines={number: line.skill for number, line in settings.lines.items()},
            bus=bus,
            note=audit.note,
        )
        self.router = CallRouter(
            book=self.book, floor=floor, past=PastCalls(reader), wall_clock=time.time
        )
        self.keeper = RoutingKeeper(
            book=self.book,
            floor=floor,
            groups=self._groups,
            bus=bus,
            on_stalled=self._on_stalled,
        )
        floor.profile_of = self.keeper.profile_of
        self.breaks = BreakDesk(
            SqlBreaks(engine, writer, node=settings.node.id),
            bus=bus,
            reasons=lambda: self.book.settings.reasons,
        )

    async def start(self) -> None:
        """Take the document into force and begin to watch."""
        self._health.set("routing", "ok")
        await self.keeper.start()
        await self.breaks.start()

    async def close(self) -> None:
        """Stop."""
        await self.breaks.close()
        await self.keeper.close()

    async def _groups(self) -> Mapping[str, str]:
        return {account.id: account.group for account in await self._accounts.list_()}

    def _on_stalled(self, stalled: list[Stalled]) -> None:
        if stalled:
            calls = ", ".join(one.call_id for one in stalled[:3])
            detail = f"{len(stalled)} waited though somebody was ready: {calls}"
            self._health.set("routing", "degraded", detail)
        else:
            self._health.set("routing", "ok")
