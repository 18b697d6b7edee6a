"""Who goes first on the node's one loop: a call that looks for its agent, before what can wait.

A caller waits for every step until an agent's phone is called, and each is a piece of a
millisecond. Nobody waits for the ports of a call that is over to be closed, or for an event to
reach the broker: whoever does such things asks here before each piece. The work stays the same; it
stands behind the beginnings, and for no longer than `PATIENCE_SECONDS`.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PATIENCE_SECONDS: Final = 0.05
"""Who gives way goes on after this time, however many calls begin."""


async def at_once() -> None:
    """Give way to nobody: for whoever may be told to, and was not."""


class Precedence:
    """Lets some work of the loop go before other work."""

    def __init__(self) -> None:
        self._ahead = 0
        self._behind: set[asyncio.Future[None]] = set()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Go first meanwhile; of those who do, none goes before another."""
        self._ahead += 1
        try:
            yield
        finally:
            self._ahead -= 1
            if self._behind:
                # not yet: the next step may go first as well
                asyncio.get_running_loop().call_soon(self._go_on)

    async def give_way(self) -> None:
        """Return when nobody goes first: at once, or after `PATIENCE_SECONDS` at the latest."""
        if not self._ahead:
            return
        loop = asyncio.get_running_loop()
        free: asyncio.Future[None] = loop.create_future()
        self._behind.add(free)
        patience = loop.call_later(PATIENCE_SECONDS, _release, free)
        try:
            await free
        finally:
            patience.cancel()
            self._behind.discard(free)

    def _go_on(self) -> None:
        if not self._ahead:
            for free in self._behind:
                _release(free)


def _release(free: asyncio.Future[None]) -> None:
    if not free.done():  # who has been cancelled waits no more
        free.set_result(None)
