"""When the floor's figures are written and read."""

import asyncio
from typing import Any, cast

import pytest
from typing_extensions import override

from calls.statistics.service import FloorStatistics
from eventbus.bus import EventBus
from tests.support.waiting import PATIENCE

NOTHING = cast(Any, None)  # no turn is made that would use it


class Turning(FloorStatistics):
    """Says when its turn comes."""

    turns = 0

    @override
    async def turn(self, number: int) -> None:
        self.turns = number


async def test_a_turn_comes_behind_calls_that_look_for_their_agents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("calls.statistics.service.TURN_SECONDS", 0.0)
    asked, free = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def give_way() -> None:
        asked.release()
        await free.acquire()

    statistics = Turning(
        engine=NOTHING,
        store=NOTHING,
        shared=NOTHING,
        bus=EventBus(),
        live=list,
        agents=NOTHING,
        accounts=NOTHING,
        lines={},
        skill_of=lambda _line: None,
        give_way=give_way,
    )
    task = asyncio.create_task(statistics._run())
    async with asyncio.timeout(PATIENCE):
        for turns in (0, 1, 2):
            await asked.acquire()
            assert statistics.turns == turns
            free.release()
    task.cancel()
    await asyncio.wait([task])
