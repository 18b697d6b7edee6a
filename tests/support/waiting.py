"""Waiting for what cannot be awaited: another process's doings."""

import asyncio
from collections.abc import Callable

PATIENCE = 30.0
"""Seconds after which a test says that something never came. Only a failure takes so long: what is
awaited is another process's doing, on a machine that several tests have together."""


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return as soon as the condition holds.

    Raises:
        TimeoutError: it does not hold in time.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nobody here could set an event
            await asyncio.sleep(0.01)
