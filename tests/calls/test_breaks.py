"""Breaks: counted by China's day, told of when they are used up, refused where that is wanted."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from calls.breaks import Break, BreakDesk, BreakRefused, BreakStore, SqlBreaks, used_today
from calls.records import RecordWriter
from config.routing import ReasonRouting
from eventbus.bus import EventBus
from eventbus.catalogue import AgentBreakOver, AgentPresence, Event
from hotline.database import migrate, open_engine
from tests.support.floors import Clock

MIDNIGHT = datetime(2026, 11, 21, 16, 0, tzinfo=UTC).timestamp()
"""The 22nd begins in China."""
MINUTE = 60.0
REASONS = {
    "break": ReasonRouting(name="小休", minutes=30),
    "meal": ReasonRouting(name="用餐", minutes=60, strict=True),
    "training": ReasonRouting(name="培训"),
}


def test_a_break_over_midnight_counts_from_midnight_on() -> None:
    breaks = [
        Break("1001", "break", MIDNIGHT - 600, MIDNIGHT + 60),
        Break("1001", "break", MIDNIGHT + 120, MIDNIGHT + 150),
        Break("1001", "meal", MIDNIGHT - 600, MIDNIGHT - 60),
        Break("1002", "break", MIDNIGHT + 200),
    ]
    used = used_today(breaks, MIDNIGHT + 300)
    assert used == {("1001", "break"): 90.0, ("1001", "meal"): 0.0, ("1002", "break"): 100.0}


class Floor:
    """Agents whose states change, and what is told of it."""

    def __init__(self, store: BreakStore, clock: Clock, bus: EventBus) -> None:
        self.clock, self.bus = clock, bus
        self.events: list[Event] = []
        self.desk = BreakDesk(store, bus=bus, reasons=lambda: REASONS, clock=clock)
        bus.subscribe(self.desk.take)
        bus.subscribe(self.events.append)

    def becomes(self, state: str, reason: str | None = None, agent_id: str = "1001") -> None:
        now = self.clock()
        self.bus.publish(
            AgentPresence(at=now, agent_id=agent_id, state=state, reason=reason, since=now)
        )

    def told(self) -> list[tuple[str | None, str, float]]:
        over = (event for event in self.events if isinstance(event, AgentBreakOver))
        return [(event.agent_id, event.reason, event.used) for event in over]


@pytest.fixture
async def floor(database_url: str) -> AsyncIterator[Floor]:
    engine = open_engine(database_url)
    await migrate(engine)
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
    writer.start()
    clock = Clock()
    clock.now = MIDNIGHT + 8 * 60 * MINUTE
    yield Floor(SqlBreaks(engine, writer, node="n1"), clock, EventBus())
    await writer.close()
    await engine.dispose()


async def used(floor: Floor) -> dict[str, float]:
    return {one.reason: one.used_seconds for one in await floor.desk.allowances("1001")}


async def test_what_is_used_adds_up_over_the_day(floor: Floor) -> None:
    floor.becomes("not_ready", "break")
    floor.clock.now += 10 * MINUTE
    floor.becomes("ready")
    floor.clock.now += 10 * MINUTE
    floor.becomes("not_ready", "break")
    floor.clock.now += 5 * MINUTE
    floor.becomes("not_ready", "meal")  # one reason follows the other
    floor.clock.now += 1 * MINUTE
    assert await used(floor) == {"break": 900.0, "meal": 60.0, "training": 0.0}


async def test_told_again_it_counts_once(floor: Floor) -> None:
    floor.becomes("not_ready", "break")
    floor.becomes("not_ready", "break")
    floor.clock.now += 10 * MINUTE
    assert (await used(floor))["break"] == 600.0


async def test_agent_and_leader_are_warned_once_when_the_allowance_is_used_up(
    floor: Floor,
) -> None:
    floor.becomes("not_ready", "break")
    floor.becomes("not_ready", "training", "1002")  # as much as he needs
    floor.clock.now += 29 * MINUTE
    await floor.desk.warn()
    assert floor.told() == []
    floor.clock.now += 1 * MINUTE
    await floor.desk.warn()
    floor.clock.now += 1 * MINUTE
    await floor.desk.warn()
    assert floor.told() == [("1001", "break", 1800.0)]
    floor.clock.now += 24 * 60 * MINUTE  # another day, and he is still away
    await floor.desk.warn()
    assert len(floor.told()) == 2


async def test_a_strict_reason_cannot_be_chosen_any_more_that_day(floor: Floor) -> None:
    await floor.desk.check("1001", "meal")
    floor.becomes("not_ready", "meal")
    floor.clock.now += 60 * MINUTE
    floor.becomes("ready")
    with pytest.raises(BreakRefused) as refused:
        await floor.desk.check("1001", "meal")
    assert refused.value.code == "allowance_used"
    await floor.desk.check("1001", "meal", forced=True)
    await floor.desk.check("1002", "meal")
    floor.clock.now += 24 * 60 * MINUTE
    await floor.desk.check("1001", "meal")


async def test_a_reason_that_is_not_strict_is_only_told_of(floor: Floor) -> None:
    floor.becomes("not_ready", "break")
    floor.clock.now += 60 * MINUTE
    await floor.desk.check("1001", "break")


async def test_no_reason_outside_of_the_list(floor: Floor) -> None:
    with pytest.raises(BreakRefused, match="break, meal, training") as refused:
        await floor.desk.check("1001", "fishing")
    assert refused.value.code == "unknown_reason"
