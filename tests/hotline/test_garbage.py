"""When the collector looks for garbage."""

import asyncio
import gc
import resource
import weakref
from pathlib import Path

import pytest

from hotline.garbage import seldom_collecting
from tests.support.waiting import until


class Circle:
    """Knows itself: only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


async def test_what_is_old_is_looked_through_now_and_then() -> None:
    usual = gc.get_threshold()
    async with seldom_collecting(everything_each=0.02):
        circle = Circle()
        gc.collect()  # it is old now: no young collection finds it
        known = weakref.ref(circle)
        del circle
        await until(lambda: known() is None)
        assert gc.get_threshold() != usual
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() == 0


async def test_what_is_new_is_looked_through_behind_what_goes_first() -> None:
    asked, free = asyncio.Event(), asyncio.Event()

    async def give_way() -> None:
        asked.set()
        await free.wait()

    async with seldom_collecting(everything_each=3600, give_way=give_way):
        circle = Circle()
        known = weakref.ref(circle)
        del circle
        kept: list[list[int]] = [[] for _ in range(3000)]
        await asked.wait()
        assert known() is not None
        free.set()
        await until(lambda: known() is None)
        assert len(kept) == 3000


async def test_a_step_that_makes_much_is_not_waited_for() -> None:
    async with seldom_collecting(everything_each=3600):
        circle = Circle()
        known = weakref.ref(circle)
        del circle
        kept: list[list[int]] = []
        while known() is not None:
            kept += [[] for _ in range(1000)]
            assert len(kept) < 100_000


async def test_what_was_freed_in_the_middle_of_the_heap_is_given_back() -> None:
    pieces = [bytearray(16_000) for _ in range(4_000)]  # smaller ones are Python's own
    del pieces[1::4], pieces[1::3], pieces[1::2]
    before = _resident()
    async with seldom_collecting(everything_each=0.02):
        await until(lambda: _resident() < before - 16_000_000)
    assert pieces


def _resident() -> int:
    """Return the bytes that this process has in memory (proc(5), statm)."""
    return (
        int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        * resource.getpagesize()
    )


async def test_what_is_kept_is_gathered_in_huge_pages_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[object] = []

    async def give_way() -> None:
        steps.append("gave way")

    monkeypatch.setattr("hotline.garbage._SETTLED_SECONDS", 0.0)
    monkeypatch.setattr("hotline.garbage._LOOK_EACH_SECONDS", 3600.0)
    monkeypatch.setattr(
        "hotline.huge_pages.pages", lambda: [(1 << 21, 1 << 21), (1 << 22, 1 << 21)]
    )
    monkeypatch.setattr(
        "hotline.huge_pages.gather", lambda page, octets: steps.append((page, octets))
    )
    async with seldom_collecting(everything_each=3600, give_way=give_way):
        await until(lambda: len(steps) == 4)
    assert steps == ["gave way", (1 << 21, 1 << 21), "gave way", (1 << 22, 1 << 21)]
