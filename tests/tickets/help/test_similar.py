from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from tickets.draft import TicketDraft
from tickets.help.similar import DAYS, SimilarTickets
from tickets.store import TicketStore, metadata

NOW = 1_795_000_000.0
DAY = 86400.0
RUBBISH: dict[str, str | bool] = {
    "category": "市容管理",
    "address": "城厢镇西北街218号",
    "content": "西北街218号边上垃圾没人清",
}


class Town:
    """Tickets of several days, and who looks for their like."""

    def __init__(self, url: str) -> None:
        self.engine = create_async_engine(url)
        self.similar = SimilarTickets(self.engine, clock=lambda: NOW)

    async def ticket(
        self, ticket_id: str, fields: dict[str, str | bool], *, days_ago: float = 1.0
    ) -> None:
        store = TicketStore(self.engine, clock=lambda: NOW - days_ago * DAY)
        draft = TicketDraft(ticket_id, None)
        for field, value in fields.items():
            draft.correct(field, value)
        await store.create(draft, call_id=f"c-{ticket_id}", agent_id="1001")
        await store.submit(ticket_id, agent_id="1001")


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    town = Town(database_url)
    async with town.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield town
    await town.engine.dispose()


async def test_the_same_matter_is_found_and_others_are_not(town: Town) -> None:
    await town.ticket("same", RUBBISH)
    await town.ticket(
        "near", {**RUBBISH, "address": "城厢镇西北街", "content": "西北街垃圾堆在路边没人清"}
    )
    await town.ticket(
        "other", {"category": "物业管理", "address": "城厢镇人民路1号", "content": "电梯坏了"}
    )
    await town.ticket(
        "elsewhere", {"category": "市容管理", "address": "沙溪镇", "content": "小广告贴满墙"}
    )
    await town.ticket("old", RUBBISH, days_ago=DAYS + 1)
    await town.ticket("secret", {**RUBBISH, "secret": True})
    found = await town.similar.find(RUBBISH, but="mine")
    assert [ticket.ticket_id for ticket in found] == ["same", "near"]
    assert found[0].likeness > found[1].likeness
    assert [t.ticket_id for t in await town.similar.find(RUBBISH, but="same")] == ["near"]


async def test_without_place_and_category_nothing_is_alike(town: Town) -> None:
    await town.ticket("same", RUBBISH)
    assert await town.similar.find({"content": "垃圾"}, but="mine") == []
