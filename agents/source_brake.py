"""A brake on trying many accounts from one place: bounded, in memory, pure (time comes in)."""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final, Protocol

_SITE_BITS: Final = 64
"""Whoever has an IPv6 address has all of its /64: they are one source."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Known(Protocol):
    """Who has signed in from where, for longer than this process lives (``known_sources.py``)."""

    async def add(self, agent_id: str, site: str) -> None:
        """Note that he has signed in there."""

    async def has(self, agent_id: str, site: str) -> bool:
        """Tell whether he has."""


class SourceBrake:
    """A token bucket for each source, from which each failed sign-in takes one.

    A whole building may share an address, so a guesser in it must not lock out the others: whoever
    has signed in from there before is not held by the failures of others (`agents.brake` holds him
    for his own), and successes cost nothing. What it remembers of that ends with the process;
    `Known` is asked about those whom it would hold.

    Args:
        failures: what a source may save up.
        per_minute: how many come back in a minute.
        capacity: sources remembered, and people who have signed in somewhere; those who were quiet
            longest are forgotten first.
    """

    def __init__(
        self, *, failures: int = 30, per_minute: float = 6.0, capacity: int = 10_000
    ) -> None:
        self._most = float(failures)
        self._rate = per_minute / 60.0
        self._capacity = capacity
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, source: str, account: str, now: float) -> float:
        """Return how many seconds somebody must wait before he may try; 0.0: he may now.

        Args:
            source: an IP address.
            account: as which he wants to sign in.
            now: Unix seconds.
        """
        site = site_of(source)
        bucket = self._buckets.get(site)
        if bucket is None or (site, account) in self._known:
            return 0.0
        return max(0.0, 1.0 - self._tokens(bucket, now)) / self._rate

    def failed(self, source: str, now: float) -> None:
        """Take a token for a wrong password or an account that there is not."""
        site = site_of(source)
        bucket = self._buckets.pop(site, None) or _Bucket(self._most, now)
        self._buckets[site] = _Bucket(max(0.0, self._tokens(bucket, now) - 1.0), now)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)

    def succeeded(self, source: str, account: str) -> None:
        """Remember who has signed in there."""
        person = site_of(source), account
        self._known[person] = None
        self._known.move_to_end(person)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def _tokens(self, bucket: _Bucket, now: float) -> float:
        dripped = max(0.0, now - bucket.at) * self._rate  # (a clock may be set back)
        return min(self._most, bucket.tokens + dripped)


def site_of(source: str) -> str:
    """Return what counts as one source."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:  # none: a request that came over no network
        return source
    if not isinstance(address, IPv6Address):
        return source
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> (address.max_prefixlen - _SITE_BITS):x}/{_SITE_BITS}"
