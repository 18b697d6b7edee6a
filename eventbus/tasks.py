"""Background tasks: ended for certain, waited for together; every package may import from here."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
U = TypeVar("U")


async def both(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Do two things at once, the second within the caller's own task; return what both came to.

    When one fails the other is waited for as well, and the second's error is raised before the
    first's. (`asyncio.gather` makes a task of each, and goes through the loop twice more after the
    last has ended: in a busy program a caller waits for that.)
    """
    task = asyncio.create_task(first)
    try:
        found = await second
    except BaseException:
        await asyncio.gather(task, return_exceptions=True)
        raise
    return await task, found


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
