"""One node: everything that ``hotline/wiring.py`` made, started and stopped in the right order."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

# New objects before a young collection; young ones before a middle one; middle before a full one.
# What a call leaves is mostly in circles, 250 objects of them: a full collection comes every 600
# calls or so, goes through what the live ones have, and takes 25 ms where 400 are there. A young
# one comes every few calls and stops them all for 2 ms; of ten times as many objects it took 16.
_COLLECT_EACH = (2_000, 40, 2)

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
    """

    def __init__(
        self, parts: list[Part], *, on_progress: Callable[[str], None] | None = None
    ) -> None:
        self._parts = parts
        self._on_progress = on_progress

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
            with _seldom_collecting():
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


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Keep the garbage collector from stopping calls while it looks at what never dies.

    Modules, dictionaries and models are a million objects, through which each full collection would
    go; and a call makes and drops so many that collections would come several times a second.
    """
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_EACH)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


async def nothing() -> None:
    """Be the start or stop of a part that needs none."""
