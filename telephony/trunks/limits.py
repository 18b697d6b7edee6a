"""How many calls a trunk may have at once, and how many new ones a second: counted, pure."""

import math
from dataclasses import dataclass, field

BUSY_SECONDS = 5  # until a call may have ended on a trunk that is full: a guess, RFC 3261 §20.33


@dataclass(slots=True)
class CallLimit:
    """The calls of one trunk.

    Attributes:
        max_calls: at once; None: any number.
        per_second: new ones a second, saved up for one second; None: any number.
        live: the calls that are on it, by the ids of their legs.
        refused: how many were not let in.
    """

    max_calls: int | None = None
    per_second: float | None = None
    live: set[str] = field(default_factory=set)
    refused: int = 0
    _tokens: float = math.inf
    _at: float = 0.0

    def admit(self, leg_id: str, now: float) -> int | None:
        """Let a call in and return None, or say after how many seconds to come again."""
        wait = self.wait(now)
        if wait is not None:
            self.refused += 1
            return wait
        self._tokens -= 1
        self.live.add(leg_id)
        return None

    def wait(self, now: float) -> int | None:
        """Return after how many seconds there may be room for one more; None: there is now."""
        if self.max_calls is not None and len(self.live) >= self.max_calls:
            return BUSY_SECONDS
        if self.per_second is None:
            return None
        most = max(1.0, self.per_second)  # less than one a second still lets one in
        self._tokens = min(most, self._tokens + max(0.0, now - self._at) * self.per_second)
        self._at = now
        return None if self._tokens >= 1 else math.ceil((1 - self._tokens) / self.per_second)

    def release(self, leg_id: str) -> None:
        """Take out a call that is over, if it is one of ours."""
        self.live.discard(leg_id)
