"""Ending background tasks for certain: here, because every package may import from here."""

import asyncio
from typing import Any


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel the tasks until they have ended; None and ended ones are skipped.

    Once is not enough: ``asyncio.wait_for`` of Python 3.11, which redis-py uses for sending, loses
    a cancellation that arrives in the moment of its success (CPython issue 86296).
    """
    pending = {task for task in tasks if task is not None and not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.1)
