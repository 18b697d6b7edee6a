import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tickets.draft import TicketDraft
from tickets.handling import TicketDesk
from tickets.life import Deadlines, LifeError, Review, Step
from tickets.store import TicketStore, UnknownTicket, deliveries_table, metadata, street_of
from tickets.working_days import Calendar

NOW = 1_795_000_000.0


@dataclass
class Office:
    engine: AsyncEngine
    store: TicketStore
    desk: TicketDesk

    async def submitted(self, ticket_id: str = "t1", **fields: object) -> str:
        draft = TicketDraft(ticket_id, "13862311001")
        for field, value in fields.items():
            draft.correct(field, value)
        await self.store.create(draft, call_id=f"call-{ticket_id}", agent_id="1001")
        await self.store.submit(ticket_id, agent_id="1001")
        return ticket_id

    async def bodies(self) -> list[dict[str, object]]:
        async with self.engine.connect() as connection:
            rows = await connection.execute(deliveries_table.select().order_by("id"))
            return [row.body for row in rows]


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    desk = TicketDesk(
        engine,
        calendar=Calendar(),
        deadlines=Deadlines(5, {"咨询": 2}),
        dispatch=True,
        clock=lambda: NOW,
    )
    yield Office(engine, TicketStore(engine, clock=lambda: NOW), desk)
    await engine.dispose()


async def test_a_ticket_goes_to_a_unit_and_comes_to_an_end(office: Office) -> None:
    await office.submitted(type="咨询", address="太仓市城厢镇县府街12号")
    passed = await office.desk.step("t1", Step("pass_on", unit="城管局"), who="1001")
    assert (passed["status"], passed["unit"], passed["street"]) == ("passed", "城管局", "城厢镇")
    assert passed["deadline_at"] == Calendar().deadline(NOW, 2)
    await office.desk.step("t1", Step("close", note="已清理"), who="8001")
    verdict = Review(reached=True, solved=True, result=True, unit=False, agent=True)
    reviewed = await office.desk.step("t1", Step("review", review=verdict), who="8001")
    assert (reviewed["status"], reviewed["satisfied"], reviewed["satisfied_unit"]) == (
        "closed",
        True,
        False,
    )
    assert [
        (step["who"], step["action"], step["note"]) for step in await office.desk.steps("t1")
    ] == [
        ("1001", "submit", ""),
        ("1001", "pass_on", ""),
        ("8001", "close", "已清理"),
        ("8001", "review", ""),
    ]


async def test_deadlines_follow_the_calendar(office: Office) -> None:
    await office.submitted(type="咨询")
    passed = await office.desk.step("t1", Step("pass_on", unit="城管局"), who="1001")
    off = [date(2026, 1, 1) + timedelta(days=n) for n in range(400)]
    calendar = Calendar(holidays=off[:200], workdays=off[200:])
    assert await office.desk.count_by(calendar, Deadlines(3, {"咨询": 1})) == 1
    found = await office.store.get("t1")
    assert found is not None
    assert found["deadline_at"] == calendar.deadline(NOW, 1) != passed["deadline_at"]
    assert await office.desk.count_by(calendar, Deadlines(3, {"咨询": 1})) == 0
    await office.desk.step("t1", Step("close", note="已清理"), who="8001")
    assert await office.desk.count_by(Calendar(), Deadlines()) == 0
    ended = await office.store.get("t1")
    assert ended is not None
    assert ended["deadline_at"] == found["deadline_at"]


async def test_deadlines_are_counted_once_at_a_time_and_by_the_newest(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.submitted()
    await office.desk.step("t1", Step("pass_on", unit="城管局"), who="1001")
    begin, at_once, most = AsyncEngine.begin, 0, 0

    @asynccontextmanager
    async def watched(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        async with begin(engine) as connection:
            yield connection
        at_once -= 1

    monkeypatch.setattr(AsyncEngine, "begin", watched)
    counts = (office.desk.count_by(Calendar(), Deadlines(days)) for days in (9, 3, 7))
    await asyncio.gather(*counts)
    found = await office.store.get("t1")
    assert found is not None
    assert (most, found["deadline_at"]) == (1, Calendar().deadline(NOW, 7))


async def test_a_refused_step_leaves_no_trace(office: Office) -> None:
    await office.submitted()
    before = await office.store.get("t1")
    with pytest.raises(LifeError, match="passed"):
        await office.desk.step("t1", Step("close", note="已清理"), who="8001")
    assert await office.store.get("t1") == before
    assert len(await office.desk.steps("t1")) == 1
    assert await office.bodies() == []
    with pytest.raises(UnknownTicket):
        await office.desk.step("t2", Step("close", note="已清理"), who="8001")


async def test_a_reopened_matter_links_the_old_ticket(office: Office) -> None:
    await office.submitted(content="路灯坏了", secret=True)
    with pytest.raises(LifeError):
        await office.desk.reopen("t1", reason="还没修", new_id="t2", who="1002")
    await office.desk.step("t1", Step("answer", note="已派人"), who="1001")
    new = await office.desk.reopen("t1", reason="还没修", new_id="t2", who="1002")
    assert (new["id"], new["status"], new["reopens"], new["agent_id"]) == (
        "t2",
        "submitted",
        "t1",
        "1002",
    )
    assert new["fields"]["content"]["value"] == "路灯坏了"
    old = await office.store.get("t1")
    assert old is not None
    assert old["status"] == "answered"


async def test_of_two_who_pass_a_ticket_on_one_is_refused(office: Office) -> None:
    await office.submitted()
    tries = (
        office.desk.step("t1", Step("pass_on", unit=unit), who="1001") for unit in ("甲", "乙")
    )
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["LifeError", "dict"]
    assert len(await office.desk.steps("t1")) == 2


async def test_other_platforms_learn_no_secret(office: Office) -> None:
    said = "我姓陆，打13862311001找我"
    await office.submitted("t1", name="陆", content=said)
    await office.submitted("t2", name="陆", content=said, secret=True)
    for ticket_id in ("t1", "t2"):
        await office.desk.step(ticket_id, Step("answer", note="已回复陆13862311001"), who="1001")
    open_, secret = await office.bodies()
    assert open_["fields"]["phone"] == "13862311001"  # type: ignore[index]
    assert "陆" not in str(secret)
    assert "13862311001" not in str(secret)
    assert "打" in str(secret)


@pytest.mark.parametrize(
    "address, street",
    [
        ("太仓市城厢镇县府街12号", "城厢镇"),
        ("姑苏区平江街道菉葭巷", "平江街道"),
        ("人民路218号", None),
        ("沙溪镇", "沙溪镇"),
        (None, None),
    ],
)
def test_the_street_of_an_address(address: str | None, street: str | None) -> None:
    assert street_of(address) == street
