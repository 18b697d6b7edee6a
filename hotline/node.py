"""One node: everything that ``hotline/wiring.py`` made, started and stopped in the right order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from eventbus.precedence import at_once
from hotline.garbage import seldom_collecting

log = structlog.get_logger(__name__)

Step = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is started and stopped; ``name`` is for the progress that is shown."""

    name: str
    start: Step
    stop: Step


class Node:
    """Starts its parts in order, stops them in reverse order.

    Args:
        parts: what depends on something else comes after it.
        on_progress: told each part's name before it is started.
        give_way: awaited before garbage is looked for.
    """

    def __init__(
        self,
        parts: list[Part],
        *,
        on_progress: Callable[[str], None] | None = None,
        give_way: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self._parts = parts
        self._on_progress = on_progress
        self._give_way = give_way

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the node inside the ``async with``; a part that fails stops those already started."""
        async with AsyncExitStack() as stack:
            for part in self._parts:
                if self._on_progress is not None:
                    self._on_progress(part.name)
                # Registered first: a start that was cancelled half-way is undone as well.
                stack.push_async_callback(self._stop, part)
                try:
                    await part.start()
                except Exception as error:
                    error.add_note(part.name)  # an "address already in use" alone helps nobody
                    raise
            async with seldom_collecting(give_way=self._give_way):
                yield

    @staticmethod
    async def _stop(part: Part) -> None:
        """Stop one part; one that cannot must not keep the others from stopping."""
        try:
            await part.stop()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("part_not_stopped", part=part.name)


async def nothing() -> None:
    """Be the start or stop of a part that needs none."""
