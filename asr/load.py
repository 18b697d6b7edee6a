"""What is given up, and in which order, when there is more to hear than the machine can. Pure.

The *lag* of a stream is the age of the oldest sound that its engine has not heard. When the streams
that have something to say lag by half the budget, partial results go, everywhere. When they lag by
the whole of it, streams go: first the agents' sides, then the citizens', the newest first. How many
is measured: while they lag the engine is never idle, so what it has heard in the last second is
what it can hear, and where 30 s of voice came and 20 were heard, a third is too much. What lags
already shall be caught up too, within ``_CATCH_UP``. Then a second is measured anew; a lag that
falls fast enough costs nobody anything. A stream that went comes back, the oldest citizen's first,
once there has been no lag for a while, which doubles each time it was too early. Others follow,
some every second as long as no more comes than was heard at the best of late, then one every
second, or every other second where it was too early before; an engine with time to spare hears just
what comes, so how much more it could hear is found out only so.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median_high
from typing import Literal

Role = Literal["caller", "agent"]

_BUSY = 0.15
"""Seconds of lag under which a stream has just nothing to say."""

_MEASURED = 1.0
_ENOUGH = 0.75
"""Seconds over which is measured what comes and what is heard, since the last step: at most, and
at least."""

_CATCH_UP = 20.0
"""Seconds within which a lag beyond the budget shall be gone."""

_MOST = 0.5
"""The share of streams given up in one step at most: an engine may be away for a moment."""

_SOME_EVERY = 1.0
_ONE_EVERY = 2.0
"""Seconds between streams that come back: as long as nothing speaks against it, and where some came
back too early before. By then one stream too many begins to show as a lag."""

_FORGOTTEN = 120.0
"""Seconds in which is forgotten how much was heard at the best."""

_PARTIALS_HOLD = 2.0
_FIRST_HOLD = 3.0
_LONGEST_HOLD = 60.0
_REGRET = 60.0


@dataclass(frozen=True, slots=True)
class StreamLoad:
    """One stream.

    Attributes:
        name: which.
        role: whose side of the call.
        number: its place in the order of opening.
        lag: seconds.
        came: seconds of voice that there were to be heard, in all.
        heard: seconds of voice that the engine has heard, in all.
    """

    name: str
    role: Role
    number: int
    lag: float
    came: float = 0.0
    heard: float = 0.0


@dataclass(frozen=True, slots=True)
class Shedding:
    """What is given up now: ``partials``, and the streams in ``streams``; ``lag`` says why."""

    partials: bool = False
    streams: frozenset[str] = frozenset()
    lag: float = 0.0


@dataclass(frozen=True, slots=True)
class _Voice:
    """Seconds of voice that came and that were heard in the time that ended ``at``."""

    at: float
    came: float
    heard: float


class LoadShedder:
    """Decides from lags, and from what came and was heard.

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
        self._restored = float("-inf")
        self._last: dict[str, StreamLoad] = {}
        self._voice: deque[_Voice] = deque()
        self._looked = 0.0
        self._most_heard = 0.0  # seconds of voice in a second, of late

    def handle(self, streams: Sequence[StreamLoad], now: float) -> Shedding:
        """Take every stream's load, a few times a second; return what to give up from now on."""
        self._shed &= {stream.name for stream in streams}
        heard = [stream for stream in streams if stream.name not in self._shed]
        lag = median_high([s.lag for s in heard if s.lag > _BUSY] or [0.0])
        self._note_calm(lag, now)
        self._note_voice(heard, now)
        self._last = {stream.name: stream for stream in streams}
        if lag > self._budget / 2 and not self._partials_shed:
            self._partials_shed = True
            self._measure_anew(now)  # more is heard from here
        if lag > self._budget:
            excess = self._excess(lag)
            if excess > 0:
                self._give_up(heard, excess, now)
        elif self._shed and self._calm_for(self._hold, now):
            shed = [stream for stream in streams if stream.name in self._shed]
            room = self._known_room(len(heard))
            if now - self._stepped >= self._pause(room, lag):
                self._bring_back(shed, max(room, 1), now)
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

    def _note_voice(self, streams: Sequence[StreamLoad], now: float) -> None:
        before = [(self._last.get(stream.name, stream), stream) for stream in streams]
        came = sum(stream.came - last.came for last, stream in before)
        heard = sum(stream.heard - last.heard for last, stream in before)
        self._voice.append(_Voice(now, came, heard))
        while now - self._voice[0].at > _MEASURED:
            self._voice.popleft()
        self._most_heard *= 1.0 - min((now - self._looked) / _FORGOTTEN, 1.0)
        self._looked = now
        if self._seconds() >= _ENOUGH:
            self._most_heard = max(self._most_heard, self._rates()[1])

    def _measure_anew(self, now: float) -> None:
        self._voice.clear()
        self._voice.append(_Voice(now, 0.0, 0.0))

    def _excess(self, lag: float) -> float:
        """Return the share of what comes that is too much; 0 while it is too early to tell."""
        came, heard = self._rates()
        if self._seconds() < _ENOUGH or not came:
            return 0.0
        return 1.0 - heard / came / (1.0 + (lag - self._budget) / _CATCH_UP)

    def _rates(self) -> tuple[float, float]:
        """Return how much voice came and was heard, seconds in a second."""
        seconds, since = self._seconds() or 1.0, list(self._voice)[1:]
        return sum(v.came for v in since) / seconds, sum(v.heard for v in since) / seconds

    def _seconds(self) -> float:
        return self._voice[-1].at - self._voice[0].at

    def _give_up(self, heard: Sequence[StreamLoad], excess: float, now: float) -> None:
        agents = [stream for stream in heard if stream.role == "agent"]
        others = [stream for stream in heard if stream.role != "agent"]
        candidates = [*_newest_first(agents), *_newest_first(others)]
        count = ceil(min(excess, _MOST) * len(heard))
        self._shed |= {stream.name for stream in candidates[:count]}
        self._stepped = now
        self._measure_anew(now)
        if now - self._restored < _REGRET:
            self._hold = min(2 * self._hold, _LONGEST_HOLD)

    def _known_room(self, streams: int) -> int:
        """Return how many more than these were heard of late, a quarter of them at a time."""
        came, _ = self._rates()
        if self._seconds() < _ENOUGH or not came:
            return 0
        return max(0, min(int(streams * (self._most_heard / came - 1.0)), max(1, streams // 4)))

    def _pause(self, room: int, lag: float) -> float:
        """Return how long the last step's effect is awaited before more streams come back."""
        if room:
            return _SOME_EVERY
        if lag:
            return self._hold
        return _SOME_EVERY if self._hold == _FIRST_HOLD else _ONE_EVERY

    def _bring_back(self, shed: Sequence[StreamLoad], count: int, now: float) -> None:
        oldest = sorted(shed, key=lambda stream: (stream.role == "agent", stream.number))
        self._shed -= {stream.name for stream in oldest[:count]}
        self._stepped = self._restored = now


def _newest_first(streams: Sequence[StreamLoad]) -> list[StreamLoad]:
    return sorted(streams, key=lambda stream: stream.number, reverse=True)
