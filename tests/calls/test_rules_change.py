"""What administrators change while callers wait and agents work."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.floor import Stalled
from agents.floor_model import FloorModel
from agents.routing import Plan
from calls.routing import RoutingKeeper
from calls.routing_book import RoutingBook
from config.settings import load
from tests.calls.house import House, open_house
from tests.support.documents import MemoryVersions
from tests.support.floors import TIMES, Clock, ModelEngine
from tests.support.node import until


class Ruled:
    """A house with a routing document that can be changed."""

    def __init__(self, house: House, book: RoutingBook, model: FloorModel) -> None:
        self.house = house
        self.book = book
        self.model = model

    async def change(self, section: Any, key: str, entry: Any) -> None:
        await self.book.put(section, key, entry, who="9001")

    async def agent(self, agent_id: str, *skills: str) -> None:
        await self.change("agents", agent_id, {"skills": list(skills)})
        await self.house.ready_agent(agent_id)

    async def caller_waits(self) -> str:
        async def waits() -> bool:
            return (await self.house.floor.counts())["waiting"] == 1

        await until(waits, seconds=30, every=0.001)
        return self.house.service.live()[0].call_id


@asynccontextmanager
async def ruled(folder: Path, *, skill: str = "general") -> AsyncIterator[Ruled]:
    def note(*_: Any) -> None:
        pass

    async def groups() -> Mapping[str, str]:
        return {}

    stalled: list[Stalled] = []
    books: list[RoutingBook] = []

    async def route(
        line: str, caller: str | None, *, before: Plan | None = None, **asked: Any
    ) -> Plan:
        asked["past"] = before.past if before else None
        return books[0].plan.plan(line, caller, now=time.time(), **asked)

    model = FloorModel(TIMES)
    engine = ModelEngine(model, Clock(), "n1", [])
    async with open_house(folder, route=route, floor_engine=engine) as house:
        book = RoutingBook(
            MemoryVersions(),
            configured=load(None, {}).routing,
            lines={"12345": skill},
            bus=house.bus,
            note=note,
        )
        books.append(book)
        keeper = RoutingKeeper(
            book=book, floor=house.floor, groups=groups, bus=house.bus, on_stalled=stalled.extend
        )
        house.floor.profile_of = keeper.profile_of
        keeper.on_planned = house.service.on_rules_changed
        await keeper.start()
        try:
            yield Ruled(house, book, model)
        finally:
            await keeper.close()


async def test_who_waits_for_a_skill_that_is_given_up_is_served(tmp_path: Path) -> None:
    async with ruled(tmp_path, skill="fishing") as floor:
        await floor.agent("1001", "general=3")
        citizen = floor.house.arrives()
        await floor.caller_waits()
        await floor.change("lines", "12345", {"skills": ["general"]})
        (await floor.house.phone()).pick_up()
        await floor.house.until_talking()
        citizen.end()
        await floor.house.record()
        await floor.house.nothing_is_left()


async def test_who_is_held_out_to_somebody_waits_by_the_new_rules_afterwards(
    tmp_path: Path,
) -> None:
    async with ruled(tmp_path) as floor:
        await floor.agent("1001", "general=3")
        await floor.agent("1002", "english=3")
        citizen = floor.house.arrives()
        first = await floor.house.phone()
        await floor.change("lines", "12345", {"skills": ["english"], "priority": 4})
        call_id = floor.house.service.live()[0].call_id

        async def told() -> bool:
            call = floor.model.calls[call_id]
            return "english@own" in call.wants and call.priority == 4

        await until(told, seconds=30, every=0.001)
        first.end(status=486)
        (await floor.house.phone(1)).pick_up()
        await floor.house.until_talking()
        assert floor.house.service.live()[0].agent_id == "1002"
        citizen.end()
        await floor.house.record()


async def test_a_line_that_closes_keeps_those_who_wait(tmp_path: Path) -> None:
    async with ruled(tmp_path) as floor:
        citizen = floor.house.arrives()
        call_id = await floor.caller_waits()
        await floor.change("lines", "12345", {"hours": ["00:00-00:01"], "closed": "call_back"})
        await floor.agent("1001", "general=3")
        (await floor.house.phone()).pick_up()
        await floor.house.until_talking()
        assert floor.house.service.live()[0].call_id == call_id
        citizen.end()
        await floor.house.record()


async def test_skills_reach_whoever_works_here_though_he_signed_in_elsewhere(
    tmp_path: Path,
) -> None:
    async with ruled(tmp_path) as floor:
        await floor.house.ready_agent("1001")
        model = floor.model
        await floor.house.floor.set_desktop("1001", connected=True)
        model.agents["1001"] = replace(model.agents["1001"], node="dead")
        await floor.change("agents", "1001", {"skills": ["english=7"]})

        async def told() -> bool:
            return "english@own=7" in model.agents["1001"].pools

        await until(told, seconds=30, every=0.001)
