"""Which new calls are taken when there are more than the node can set up.

A node that takes every call beyond its ceiling serves none: each waits behind all others' messages,
is sent again, and costs more. So new INVITEs are refused at the door, by a share that follows how
late the node is, and what is left of it belongs to the calls that stand.

Two delays tell how late: the event loop's, and how long calls take from their INVITE until they
wait for an agent. The second is the truer one, for a set-up has many steps and comes late though
each round of the loop is short; it counts only in a crowd, so that one call for which a store was
slow turns nobody away.

A delay counts as CoDel counts a queue's (RFC 8289 §4.2): by its least over an interval, since a
queue that is empty once in a while is a burst, not an overload. The share is changed as RFC 6357
§5.3 describes for loss-based control: down by how far off the target it is, up in small steps.
"""

from typing import Final

INTERVAL_SECONDS: Final = 1.0
CROWD: Final = 20
"""Calls begun in an interval, or waiting for their set-up, from which their delay counts."""

_LEAST_SHARE: Final = 0.05
_STEEPEST: Final = 0.5
_GENTLEST: Final = 0.9
_RISE: Final = 0.05
_RETRY_SECONDS: Final = 2


class Overload:
    """Decides on new calls.

    Args:
        target: a standing delay, seconds, beyond which fewer calls are taken; 0: never.

    Attributes:
        share: of new calls that are taken, 0 to 1.
        refused: how many were not.
    """

    def __init__(self, target: float) -> None:
        self.share = 1.0
        self.refused = 0
        self._target = target
        self._credit = 0.0
        self._ends: float | None = None
        self._loop_delays: list[float] = []
        self._set_ups: list[float] = []
        self._being_set_up: dict[str, float] = {}

    def began(self, call: str, now: float) -> None:
        """Take the beginning of a call's set-up."""
        if self._target:
            self._being_set_up[call] = now

    def set_up(self, call: str, now: float) -> None:
        """Take that a call waits for an agent now; one that never began is nothing."""
        if (since := self._being_set_up.pop(call, None)) is not None:
            self._set_ups.append(now - since)

    def over(self, call: str) -> None:
        """Forget a call that is over, whether it was set up or not."""
        self._being_set_up.pop(call, None)

    def measured(self, delay: float, now: float) -> None:
        """Take how late the loop was; several times an interval."""
        if not self._target:
            return
        if self._ends is None:
            self._ends = now + INTERVAL_SECONDS
        self._loop_delays.append(delay)
        if now < self._ends:
            return
        standing = max(min(self._loop_delays), self._set_up_delay(now))
        if standing > self._target:
            change = max(_STEEPEST, min(_GENTLEST, self._target / standing))
            self.share = max(_LEAST_SHARE, self.share * change)
        else:
            self.share = min(1.0, self.share + _RISE)
        self._loop_delays, self._set_ups = [], []
        self._ends = now + INTERVAL_SECONDS

    def _set_up_delay(self, now: float) -> float:
        """Return the least that a call needed for its set-up, or has needed so far."""
        waiting = [now - since for since in self._being_set_up.values()]
        if len(self._set_ups) + len(waiting) < CROWD:
            return 0.0
        # Those that began in this interval cannot have waited for longer than that.
        return min(self._set_ups or [age for age in waiting if age >= INTERVAL_SECONDS] or [0.0])

    def refuses(self) -> int | None:
        """Take one more call, or return after how many seconds it may come again."""
        if self.share >= 1.0:
            self._credit = 0.0
            return None
        self._credit += self.share
        if self._credit >= 1.0:
            self._credit -= 1.0
            return None
        self.refused += 1
        return round(_RETRY_SECONDS / max(self.share, 0.2))
