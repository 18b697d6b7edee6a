"""The watchdog's alarm: somebody waits, somebody fits, and nothing was offered."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from agents.accounts import Accounts
from agents.accounts import metadata as accounts_metadata
from agents.floor import Stalled
from agents.floor_model import FloorModel
from agents.node_floor import NodeFloor
from calls.audit import AuditTrail
from calls.records import RecordWriter
from calls.records import metadata as calls_metadata
from config.settings import load
from eventbus.bus import EventBus
from eventbus.catalogue import Event, ServiceStatus
from hotline.health import HealthBoard
from hotline.routing import Routing
from tests.support.floors import TIMES, Clock, ModelEngine
from tests.support.waiting import until


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'hotline.db'}")
    async with engine.begin() as connection:
        for metadata in (accounts_metadata, calls_metadata):
            await connection.run_sync(metadata.create_all)
    yield engine
    await engine.dispose()


class Overlooking(NodeFloor):
    """A floor at fault: it says so when it is asked."""

    overlooked: tuple[Stalled, ...] = ()

    async def stalled(self, seconds: float, *, now: float | None = None) -> list[Stalled]:
        return [*self.overlooked, *await super().stalled(seconds, now=now)]


async def test_whoever_was_overlooked_is_told_of(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calls.routing.WATCH_SECONDS", 0.01)
    bus, told = EventBus(), list[Event]()
    bus.subscribe(told.append)
    model = ModelEngine(FloorModel(TIMES), Clock(), "n1", [])
    floor = Overlooking(model, node="n1", times=TIMES)
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
    writer.start()
    routing = Routing(
        load(None, {}),
        engine=engine,
        reader=engine,
        writer=writer,
        accounts=Accounts(engine, realm="hotline"),
        audit=AuditTrail(engine, writer),
        floor=floor,
        bus=bus,
        health=HealthBoard(bus=bus, wall_clock=time.time),
    )

    def states() -> list[str]:
        return [event.status for event in told if isinstance(event, ServiceStatus)]

    await floor.start()
    await routing.start()
    try:
        floor.overlooked = (Stalled("c7", "1001"),)
        await until(lambda: states()[-1] == "degraded")
        alarm = next(event for event in reversed(told) if isinstance(event, ServiceStatus))
        assert (alarm.part, alarm.detail) == ("routing", "1 waited though somebody was ready: c7")
        floor.overlooked = ()
        await until(lambda: states()[-1] == "ok")
    finally:
        await routing.close()
        await floor.close()
        await writer.close()
