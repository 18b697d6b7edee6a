"""When the garbage collector looks: often through what is new, seldom through everything.

Whatever looks stops all calls meanwhile. What calls drop is freed at once, by itself; only what is
in circles waits for the collector, and calls leave none. Python itself would look whenever so much
has been made, which is while a call begins, and in whatever thread that is: so it is done from
here, behind the calls that look for their agents.

What is freed stays with the C library, which gives back only what lies at the end of its heap. What
is kept for minutes among what is kept for seconds (a call's ladder among its messages) thins the
heap out, and it would grow for an hour before it stays as it is: its empty pages are given back.

Once a node has settled, what it keeps is gathered in huge pages.
"""

import asyncio
import ctypes
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from eventbus.precedence import at_once
from eventbus.tasks import end
from hotline import huge_pages

# So many new objects are looked through at once, and then count as old: what is no garbage by then
# is, among others, SIP's messages, which stay for half a minute (RFC 3261 §17), and to go through
# those again takes as long as through new ones. A full look goes through those of all calls.
_NEW: Final = 2_000
_EVERYTHING_EACH_SECONDS: Final = 300.0
_LOOK_EACH_SECONDS: Final = 0.02
_SETTLED_SECONDS: Final = 10.0
_BETWEEN_PAGES_SECONDS: Final = 0.02
# Python's own looking is left to what makes so much at once: a long step, or a thread beside us.
_NEVER: Final = 1_000_000
_ANYHOW_EACH: Final = (10_000, 1, _NEVER)
_MIDDLE: Final = 1
"""The generation that a look at the new ones goes up to; what it leaves is in the oldest."""


@asynccontextmanager
async def seldom_collecting(
    *,
    everything_each: float = _EVERYTHING_EACH_SECONDS,
    give_way: Callable[[], Awaitable[None]] = at_once,
) -> AsyncIterator[None]:
    """Keep the garbage collector from stopping calls while it looks at what never dies.

    Modules, dictionaries and models are a million objects: they are looked at no more. The rest is
    looked through once in ``everything_each`` seconds, and empty memory is given back then.
    ``give_way`` is awaited before each step.
    """
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_ANYHOW_EACH)
    tasks = (
        asyncio.create_task(_look_at_new(give_way), name="new garbage"),
        asyncio.create_task(_look_through(everything_each, give_way), name="old garbage"),
        asyncio.create_task(_gather(give_way), name="huge pages"),
    )
    try:
        yield
    finally:
        await end(*tasks)
        gc.set_threshold(*usual)
        gc.unfreeze()


async def _look_at_new(give_way: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(_LOOK_EACH_SECONDS)
        if gc.get_count()[0] < _NEW:
            continue
        await give_way()
        gc.collect(_MIDDLE)


async def _gather(give_way: Callable[[], Awaitable[None]]) -> None:
    """Let what never dies lie in huge pages, once the node has settled."""
    await asyncio.sleep(_SETTLED_SECONDS)
    for page in await asyncio.to_thread(huge_pages.pages):
        # One at a time: all memory stands still meanwhile, whatever thread asks for it.
        await asyncio.sleep(_BETWEEN_PAGES_SECONDS)
        await give_way()
        huge_pages.gather(*page)


async def _look_through(every: float, give_way: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(every)
        await give_way()
        gc.collect()
        await give_way()
        _give_back()


def _give_back() -> None:
    """Return the pages that the C library holds empty (glibc's malloc_trim; others have none)."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
