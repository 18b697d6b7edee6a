"""How much a source may send, or make us answer: a token bucket for each, in bounded memory."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """Token buckets by source, and one for all sources together.

    The common bucket is what bounds us when the sources are forged: then each looks new.

    Args:
        rate: tokens a second for one source.
        burst: the most a source can save up.
        total_rate: tokens a second for all together; they save up one second's worth.
        capacity: how many sources are remembered; the longest unheard is forgotten first.
    """

    def __init__(
        self,
        *,
        rate: float = 5.0,
        burst: float = 10.0,
        total_rate: float = 200.0,
        capacity: int = 4096,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._total_rate = total_rate
        self._capacity = capacity
        self._total = _Bucket(total_rate, 0.0)
        self._sources: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sources)

    def allow(self, source: str, now: float, cost: float = 1.0) -> bool:
        """Take tokens of the source's and of the common bucket; False if either has too few."""
        bucket = self._sources.pop(source, None) or _Bucket(self._burst, now)
        self._sources[source] = bucket
        if len(self._sources) > self._capacity:
            self._sources.popitem(last=False)
        _refill(bucket, self._rate, self._burst, now)
        _refill(self._total, self._total_rate, self._total_rate, now)
        if bucket.tokens < cost or self._total.tokens < cost:
            return False
        bucket.tokens -= cost
        self._total.tokens -= cost
        return True


def _refill(bucket: _Bucket, rate: float, most: float, now: float) -> None:
    """Add what has dripped in since the bucket was last looked at."""
    bucket.tokens = min(most, bucket.tokens + max(0.0, now - bucket.at) * rate)
    bucket.at = now
