"""When the garbage collector looks: often through what is new, seldom through everything.

Whatever looks stops all calls meanwhile. What calls drop is freed at once, by itself; only what is
in circles waits for the collector, and calls leave none.
"""

import asyncio
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
    looked through once in ``everything_each`` seconds.
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
