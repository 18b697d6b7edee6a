"""When the collector looks for garbage."""

import gc
import weakref

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


async def test_what_is_new_is_looked_through_soon() -> None:
    async with seldom_collecting(everything_each=3600):
        circle = Circle()
        known = weakref.ref(circle)
        del circle
        kept: list[list[int]] = []
        while known() is not None:
            kept += [[] for _ in range(1000)]
            assert len(kept) < 100_000
