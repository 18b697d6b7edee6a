"""When the garbage collector looks: often through what is new, seldom through everything.

Whatever looks stops all calls meanwhile. What calls drop is freed at once, by itself; only what is
in circles waits for the collector, and calls leave none.

What is freed stays with the C library, which gives back only what lies at the end of its heap. What
is kept for minutes among what is kept for seconds (a call's ladder among its messages) thins the
heap out, and it would grow for an hour before it stays as it is: its empty pages are given back.
"""

import asyncio
import ctypes
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from eventbus.tasks import end

# New objects before a young collection, and young ones before a middle one, which goes through all
# that has come since the last: after 40 young ones that took 50 ms. What is not garbage yet is,
# among others, SIP's messages, which stay for half a minute (RFC 3261 §17). A full collection goes
# through those of all calls.
_NEVER: Final = 1_000_000
_COLLECT_EACH: Final = (2_000, 4, _NEVER)
_EVERYTHING_EACH_SECONDS: Final = 300.0


@asynccontextmanager
async def seldom_collecting(
    *, everything_each: float = _EVERYTHING_EACH_SECONDS
) -> AsyncIterator[None]:
    """Keep the garbage collector from stopping calls while it looks at what never dies.

    Modules, dictionaries and models are a million objects: they are looked at no more. The rest is
    looked through once in ``everything_each`` seconds, and empty memory is given back then.
    """
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_EACH)
    task = asyncio.create_task(_look_through(everything_each), name="garbage")
    try:
        yield
    finally:
        await end(task)
        gc.set_threshold(*usual)
        gc.unfreeze()


async def _look_through(every: float) -> None:
    while True:
        await asyncio.sleep(every)
        gc.collect()
        _give_back()


def _give_back() -> None:
    """Return the pages that the C library holds empty (glibc's malloc_trim; others have none)."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
