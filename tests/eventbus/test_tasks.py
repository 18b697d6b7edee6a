"""Ending tasks that lose a cancellation, and doing two things at once."""

import asyncio

import pytest

from eventbus.tasks import both, end


async def test_a_task_that_swallows_a_cancellation_is_ended_nevertheless() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task, None)
    assert (task.cancelled(), swallowed) == (True, 2)


async def test_a_task_that_has_ended_is_left_alone() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "done"))
    await task
    await end(task)
    assert task.result() == "done"


async def _after(event: asyncio.Event, found: str) -> str:
    await event.wait()
    return found


async def _fail_after(event: asyncio.Event, why: str) -> str:
    await event.wait()
    raise ValueError(why)


async def test_both_are_under_way_at_once() -> None:
    met = asyncio.Event()

    async def first() -> str:
        met.set()
        return "first"

    assert await both(first(), _after(met, "second")) == ("first", "second")


@pytest.mark.parametrize("failing", [0, 1])
async def test_when_one_fails_the_other_has_ended_too(failing: int) -> None:
    now, later, ended = asyncio.Event(), asyncio.Event(), list[str]()
    now.set()

    async def other() -> str:
        await later.wait()
        ended.append("other")
        return "other"

    works = [_fail_after(now, "broken"), other()]
    task = asyncio.create_task(both(works[failing], works[1 - failing]))
    await asyncio.sleep(0)
    later.set()
    with pytest.raises(ValueError, match="broken"):
        await task
    assert ended == ["other"]


async def test_when_both_fail_the_second_ones_error_is_raised() -> None:
    now = asyncio.Event()
    now.set()
    with pytest.raises(ValueError, match="two"):
        await both(_fail_after(now, "one"), _fail_after(now, "two"))
