"""Sources that have tried wrong credentials too often are not listened to for a while."""

from collections import OrderedDict, deque
from dataclasses import dataclass

_LONGEST = 86_400.0  # seconds; who comes back every day is banned for a day each time


@dataclass(frozen=True, slots=True)
class BanPolicy:
    """When a source is banned.

    Attributes:
        failures: so many within the window.
        window: seconds.
        seconds: how long the first ban lasts; each further one twice as long as the last.
    """

    failures: int = 8
    window: float = 300.0
    seconds: float = 900.0


@dataclass(slots=True)
class _Ban:
    until: float
    seconds: float


class BanList:
    """Bans, in bounded memory: of many sources the longest known are forgotten.

    Args:
        policy: when a source is banned.
        capacity: how many sources are remembered.
    """

    def __init__(self, policy: BanPolicy, *, capacity: int = 4096) -> None:
        self._policy = policy
        self._capacity = capacity
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._bans: OrderedDict[str, _Ban] = OrderedDict()

    def __len__(self) -> int:
        return len(self._bans)

    def failed(self, source: str, now: float) -> bool:
        """Note a failure; True when it is the one too many."""
        times = self._failures.pop(source, None) or deque(maxlen=self._policy.failures)
        times.append(now)
        self._failures[source] = times
        if len(self._failures) > self._capacity:
            self._failures.popitem(last=False)
        if len(times) < self._policy.failures or times[0] < now - self._policy.window:
            return False
        self.ban(source, now)
        return True

    def ban(self, source: str, now: float) -> None:
        """Ban a source, for twice as long as the last time."""
        last = self._bans.pop(source, None)
        seconds = self._policy.seconds if last is None else min(2 * last.seconds, _LONGEST)
        self._bans[source] = _Ban(now + seconds, seconds)
        self._failures.pop(source, None)
        if len(self._bans) > self._capacity:
            self._bans.popitem(last=False)

    def forgive(self, source: str) -> None:
        """Forget everything about a source: somebody there has proved who he is."""
        self._failures.pop(source, None)
        self._bans.pop(source, None)

    def is_banned(self, source: str, now: float) -> bool:
        """Tell whether a source is not to be listened to."""
        ban = self._bans.get(source)
        return ban is not None and now < ban.until
