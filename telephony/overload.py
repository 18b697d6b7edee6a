"""Which new calls are taken when there are more than the node can set up.

A node that takes every call beyond its ceiling serves none: each waits behind all others' messages,
is sent again, and costs more. So new INVITEs are refused at the door, by a share that follows how
late the event loop is, and what is left of it belongs to the calls that stand.

The delay counts as CoDel counts a queue's (RFC 8289 §4.2): by its least over an interval, since a
queue that is empty once in a while is a burst, not an overload. The share is changed as RFC 6357
§5.3 describes for loss-based control: down by how far off the target it is, up in small steps.
"""

from typing import Final

INTERVAL_SECONDS: Final = 1.0
_LEAST_SHARE: Final = 0.05
_STEEPEST: Final = 0.5
_GENTLEST: Final = 0.9
_RISE: Final = 0.05
_RETRY_SECONDS: Final = 2


class Overload:
    """Decides on new calls.

    Args:
        target: a standing delay of the loop, seconds, beyond which fewer calls are taken; 0: never.

    Attributes:
        share: of new calls that are taken, 0 to 1.
        refused: how many were not.
    """

    def __init__(self, target: float) -> None:
        self.share = 1.0
        self.refused = 0
        self._target = target
        self._credit = 0.0
        self._least: float | None = None
        self._ends: float | None = None

    def measured(self, delay: float, now: float) -> None:
        """Take how late the loop was; several times an interval."""
        if not self._target:
            return
        if self._ends is None:
            self._ends = now + INTERVAL_SECONDS
        self._least = delay if self._least is None else min(self._least, delay)
        if now < self._ends:
            return
        if self._least > self._target:
            change = max(_STEEPEST, min(_GENTLEST, self._target / self._least))
            self.share = max(_LEAST_SHARE, self.share * change)
        else:
            self.share = min(1.0, self.share + _RISE)
        self._least, self._ends = None, now + INTERVAL_SECONDS

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
