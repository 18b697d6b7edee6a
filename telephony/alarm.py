"""One event-loop timer for any number of machines."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from telephony.sip.deadlines import Deadlines

T = TypeVar("T")


class Alarm(Generic[T]):
    """Calls back for each machine whose deadline passes, with a single ``loop.call_at`` pending.

    Args:
        on_due: called with a machine; its deadline is forgotten until it is set again.
    """

    def __init__(self, on_due: Callable[[T], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_due = on_due
        self._deadlines: Deadlines[T] = Deadlines()
        self._handle: asyncio.TimerHandle | None = None
        self._set_for = 0.0
        self._rung_for = 0.0
        self._ringing = False

    def now(self) -> float:
        """Return the loop's time; never before a deadline that has already been called."""
        # Loops may call a timer a hair too early, and its machine would not find itself due.
        return max(self._loop.time(), self._rung_for)

    def set(self, machine: T, deadline: float | None) -> None:
        """Set a machine's deadline in place of its last one; None forgets it."""
        self._deadlines.set(machine, deadline)
        self._arm()

    def close(self) -> None:
        """Forget all deadlines."""
        self._deadlines = Deadlines()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        """Have `_ring` called in time; too early does no harm, and is cheaper than re-arming."""
        wanted = self._deadlines.next
        if wanted is None or self._ringing:
            return
        if self._handle is not None:
            if self._set_for <= wanted:
                return
            self._handle.cancel()
        self._set_for = wanted
        self._handle = self._loop.call_at(wanted, self._ring)

    def _ring(self) -> None:
        """Call for everything that is due."""
        self._handle = None
        self._rung_for = self._set_for
        self._ringing = True
        try:
            while (machine := self._deadlines.pop_due(self.now())) is not None:
                self._on_due(machine)
        finally:
            self._ringing = False
            self._arm()
