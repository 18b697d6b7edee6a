"""What is given up, and in which order, when there is more to hear than the machine can. Pure.

The *lag* of a stream is the age of the oldest sound that its engine has not heard. When the streams
that have something to say lag by half the budget, partial results go, everywhere. When they lag by
the whole of it, streams go: first the agents' sides, then the citizens', the newest first. How many
is read from how fast the lag grows: where 40 streams talk and it grows by 0.5 s a second, half of
what comes is heard, and 20 streams are too many. Then the effect is awaited; a lag that falls costs
nobody anything, one that merely stands costs one stream more. A stream that went comes back, the
oldest citizen's first, once there has been no lag for a while; that while doubles each time it was
too early.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_high
from typing import Literal

Role = Literal["caller", "agent"]

_BUSY = 0.15
"""Seconds of lag under which a stream has just nothing to say."""

_STEP = 1.5
_URGENT_STEP = 0.5
_WINDOW = 1.0
_ENOUGH = 0.35
"""Seconds of the lag's history that its growth is read from: at most, and at least."""

_STANDS = 0.02
"""Growth (s/s) under which the lag is taken to fall, negated."""

_GUESS = 0.1
_MOST = 0.5
"""The share of streams given up in one step: when the growth is not known, and at most."""

_PARTIALS_HOLD = 2.0
_FIRST_HOLD = 3.0
_LONGEST_HOLD = 60.0
_REGRET = 10.0


@dataclass(frozen=True, slots=True)
class StreamLoad:
    """One stream: its name, whose side it is, its place in the order of opening, its lag (s)."""

    name: str
    role: Role
    number: int
    lag: float


@dataclass(frozen=True, slots=True)
class Shedding:
    """What is given up now: ``partials``, and the streams in ``streams``; ``lag`` says why."""

    partials: bool = False
    streams: frozenset[str] = frozenset()
    lag: float = 0.0


class LoadShedder:
    """Decides from lags.

    Args:
        budget: seconds of lag that are borne.
    """

    def __init__(self, *, budget: float) -> None:
        self._budget = budget
        self._partials_shed = False
        self._shed: set[str] = set()
        self._calm_since: float | None = None
        self._hold = _FIRST_HOLD
        self._stepped = float("-inf")
        self._history: deque[tuple[float, float]] = deque()
        self._restored = float("-inf")

    def handle(self, streams: Sequence[StreamLoad], now: float) -> Shedding:
        """Take every stream's lag, a few times a second; return what to give up from now on."""
        self._shed &= {stream.name for stream in streams}
        heard = [stream for stream in streams if stream.name not in self._shed]
        lag = median_high([s.lag for s in heard if s.lag > _BUSY] or [0.0])
        self._note_calm(lag, now)
        self._note_lag(lag, now)
        if lag > self._budget / 2 and not self._partials_shed:
            self._partials_shed = True
            self._begin_history(lag, now)  # it grows more slowly from here
        if lag > self._budget and self._may_step(lag, now):
            growth = self._growth()
            if growth is None or growth > -_STANDS:
                self._give_up(heard, growth, now)
                self._stepped = now
                self._history.clear()
        elif self._shed and self._calm_for(self._hold, now) and now - self._stepped >= 1.0:
            self._bring_back([stream for stream in streams if stream.name in self._shed], now)
        elif not self._shed and self._calm_for(_PARTIALS_HOLD, now):
            self._partials_shed = False
        return Shedding(self._partials_shed, frozenset(self._shed), lag)

    def _note_calm(self, lag: float, now: float) -> None:
        if lag > self._budget / 4:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        if not self._shed and self._calm_for(_LONGEST_HOLD, now):
            self._hold = _FIRST_HOLD

    def _calm_for(self, seconds: float, now: float) -> bool:
        return self._calm_since is not None and now - self._calm_since >= seconds

    def _begin_history(self, lag: float, now: float) -> None:
        self._history.clear()
        self._history.append((now, lag))

    def _note_lag(self, lag: float, now: float) -> None:
        self._history.append((now, lag))
        while now - self._history[0][0] > _WINDOW:
            self._history.popleft()

    def _may_step(self, lag: float, now: float) -> bool:
        """Tell whether the last step's effect can be seen; twice the budget leaves less time."""
        if lag > 2 * self._budget:
            return now - self._stepped >= _URGENT_STEP
        return now - self._stepped >= _STEP and self._growth() is not None

    def _growth(self) -> float | None:
        """Return by how much the lag grows, seconds in a second; None when it is too early."""
        (since, first), (now, last) = self._history[0], self._history[-1]
        return (last - first) / (now - since) if now - since >= _ENOUGH else None

    def _give_up(self, heard: Sequence[StreamLoad], growth: float | None, now: float) -> None:
        agents = [stream for stream in heard if stream.role == "agent"]
        candidates = sorted(agents or heard, key=lambda stream: stream.number, reverse=True)
        share = min(max(_GUESS if growth is None else growth, 0.0), _MOST)
        count = max(1, round(share * len(heard)))
        self._shed |= {stream.name for stream in candidates[:count]}
        if now - self._restored < _REGRET:
            self._hold = min(2 * self._hold, _LONGEST_HOLD)

    def _bring_back(self, shed: Sequence[StreamLoad], now: float) -> None:
        first = min(shed, key=lambda stream: (stream.role == "agent", stream.number))
        self._shed.discard(first.name)
        self._stepped = self._restored = now
        self._history.clear()
