"""The exchange of tickets on a node: who takes part, and what health says of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from structlog.testing import capture_logs

from config.directory import PartnerSettings
from config.settings import load
from eventbus.bus import EventBus
from eventbus.mqtt_link import MqttLink
from hotline import exchange as module
from hotline.exchange import BrokerAddress, ExchangeStatus, TicketExchange
from tests.support.ports import free_tcp_port
from tests.support.waiting import until
from tickets.handling import TicketDesk
from tickets.life import Deadlines
from tickets.store import metadata
from tickets.working_days import Calendar

POLICE = PartnerSettings(name="公安报警", numbers=("110",), shares=("address",))
FIRE = PartnerSettings(name="消防救援", numbers=("119",), shares=("address",))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """A database without tables."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    yield engine
    await engine.dispose()


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> set[MqttLink]:
    """The links that were begun and not ended; no broker is there."""
    begun: set[MqttLink] = set()

    class Link(MqttLink):
        async def start(self) -> None:
            await super().start()
            begun.add(self)

        async def close(self) -> None:
            await super().close()
            begun.discard(self)

    monkeypatch.setattr(module, "MqttLink", Link)
    return begun


@pytest.fixture
async def exchange(
    tmp_path: Path, engine: AsyncEngine, links: set[MqttLink]
) -> AsyncIterator[TicketExchange]:
    """An exchange that nobody takes part in yet."""

    async def ticket(_number: str) -> None:
        return None

    made = TicketExchange(
        load(None, {"HOTLINE_NODE__DATA_DIR": str(tmp_path)}).model_copy(update={"partners": {}}),
        broker=BrokerAddress(host="127.0.0.1", port=free_tcp_port(), protocol="5"),
        engine=engine,
        desk=TicketDesk(engine, calendar=Calendar(), deadlines=Deadlines()),
        bus=EventBus(),
        ticket=ticket,
        on_status=lambda _how, _why: None,
    )
    yield made
    await made.close()
    assert not links


async def make_tables(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)


async def test_partners_that_change_twice_at_once_leave_one_link(
    exchange: TicketExchange, engine: AsyncEngine, links: set[MqttLink]
) -> None:
    await make_tables(engine)
    await exchange.start()
    assert not links, "with nobody there is nothing to exchange"
    await exchange.take({"110": POLICE})
    await asyncio.gather(exchange.take({"119": FIRE}), exchange.take({"110": POLICE, "119": FIRE}))
    assert len(links) == 1, "two of one name would throw each other out"
    assert exchange.service.topics == ("hotline/exchange/110/from", "hotline/exchange/119/from")


async def test_the_exchange_begins_once_the_database_is_back(
    exchange: TicketExchange,
    engine: AsyncEngine,
    links: set[MqttLink],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.01)
    await exchange.start()
    with capture_logs() as logged:
        taking = asyncio.create_task(exchange.take({"110": POLICE}))
        await until(lambda: logged)
        assert {line["event"] for line in logged} == {"exchange_waits_for_the_database"}
        assert not links
        await make_tables(engine)
        async with asyncio.timeout(10):
            await taking
    assert len(links) == 1


def test_not_to_hear_is_worse_than_not_to_be_heard() -> None:
    told: list[tuple[str, str | None]] = []
    status = ExchangeStatus(lambda how, why: told.append((how, why)))
    silent = ("degraded", "no acknowledgement from 110")
    deaf = ("degraded", "the broker refuses x/from: 0x80")
    status.refused(None)
    status.answers(*silent)
    status.refused("x/from: 0x80")
    status.answers("ok", None)
    status.refused(None)
    assert told == [("ok", None), silent, deaf, deaf, ("ok", None)]
