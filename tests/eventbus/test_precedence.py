"""Who goes first on the loop, and who gives way for how long."""

import asyncio

import pytest

from eventbus import precedence
from eventbus.precedence import Precedence
from tests.support.waiting import PATIENCE


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives way does so until he may go on."""
    monkeypatch.setattr(precedence, "PATIENCE_SECONDS", 10 * PATIENCE)


async def turns() -> None:
    """Let the loop go round a few times."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("endless")
async def test_who_gives_way_waits_until_nobody_goes_first() -> None:
    order = Precedence()
    with order.first():
        with order.first():
            behind = asyncio.create_task(order.give_way())
            await turns()
        await turns()
        assert not behind.done()
    await behind


@pytest.mark.usefixtures("endless")
async def test_between_two_steps_of_one_call_nobody_comes() -> None:
    order = Precedence()
    with order.first():
        behind = asyncio.create_task(order.give_way())
        await turns()
    with order.first():
        await turns()
        assert not behind.done()
    await behind


@pytest.mark.usefixtures("endless")
async def test_after_a_step_that_failed_others_go_on() -> None:
    order = Precedence()

    async def fail() -> None:
        with order.first():
            await turns()
            raise ValueError("failed")

    step = asyncio.create_task(fail())
    await asyncio.sleep(0)
    behind = asyncio.create_task(order.give_way())
    with pytest.raises(ValueError, match="failed"):
        await step
    await behind


async def test_where_nobody_goes_first_there_is_nothing_to_wait_for() -> None:
    step = Precedence().give_way()
    with pytest.raises(StopIteration):
        step.send(None)


async def test_nobody_gives_way_for_ever() -> None:
    order = Precedence()
    with order.first():
        await asyncio.gather(order.give_way(), order.give_way())


async def test_who_is_cancelled_meanwhile_is_waited_for_no_more() -> None:
    order = Precedence()
    with order.first():
        behind = asyncio.create_task(order.give_way())
        await turns()
        behind.cancel()
    await asyncio.gather(behind, return_exceptions=True)
    assert behind.cancelled()
    await order.give_way()
