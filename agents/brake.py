"""A brake on guessing passwords: bounded, in memory, pure (time is an argument)."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class _Record:
    failures: int
    blocked_until: float


class Brake:
    """Delays attempts under one key more and more after the first few failures.

    Args:
        free: failures that cost nothing (a person mistypes).
        first_delay: seconds after the first failure beyond those; doubles with each further one.
        longest_delay: seconds; a key that was quiet for this long after its delay starts afresh.
        capacity: keys remembered; the least recently used is forgotten first.
    """

    def __init__(
        self,
        *,
        free: int = 5,
        first_delay: float = 2.0,
        longest_delay: float = 300.0,
        capacity: int = 10_000,
    ) -> None:
        self._free = free
        self._first = first_delay
        self._longest = longest_delay
        self._capacity = capacity
        self._records: OrderedDict[Hashable, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def attempt(self, key: Hashable, now: float) -> float:
        """Count an attempt as failed until ``succeeded`` says otherwise.

        Returns:
            0.0 when the attempt may go on; else the seconds to wait (it is then not counted).
        """
        record = self._records.get(key)
        if record is None or now > record.blocked_until + self._longest:
            record = self._records[key] = _Record(0, now)
        self._records.move_to_end(key)
        if now < record.blocked_until:
            return record.blocked_until - now
        record.failures += 1
        record.blocked_until = now + self._delay(record.failures)
        while len(self._records) > self._capacity:
            self._records.popitem(last=False)
        return 0.0

    def succeeded(self, key: Hashable) -> None:
        """Forget the key's failures."""
        self._records.pop(key, None)

    def _delay(self, failures: int) -> float:
        if failures < self._free:
            return 0.0
        # The exponent is bounded: 2.0**1100 would overflow.
        return min(self._longest, self._first * 2.0 ** min(failures - self._free, 30))
