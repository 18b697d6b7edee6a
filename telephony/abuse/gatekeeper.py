"""Who is read, and who is remembered: decided before a datagram is parsed.

There are three sorts of sources. A *trunk* is known by its address. A *user's* source is one from
which somebody has proved lately who he is: it may send much, and is never banned. Everybody else is
a *stranger*: he may send little, is answered seldom, and never gets a transaction: RFC 3261 §8.2.7
lets a server answer without state, so that a flood of requests leaves nothing behind.

Only what proves its own source bans it, or anyone could have anyone banned by forging addresses:
failures count where the nonce came back that we had sent there, a scanner's signature where it came
over a connection, and both from strangers alone. A signature in a datagram makes its source a
*suspect*: of his datagrams none is read but REGISTERs without one, so that a phone whose address
was forged still gets to prove whose it is.
"""

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from telephony.abuse.bans import BanList, BanPolicy
from telephony.sip.rate_limit import RateLimiter

SCANNERS = (
    "friendly-scanner",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sundayddr",
    "iWar",
    "SIVuS",
    "pplsip",
    "VaxSIPUserAgent",
)
#: An answer is never longer than this times the request, so that nobody can have us send much by
#: sending little in another's name. A challenge needs most: two algorithms for one nonce.
AMPLIFICATION = 2.0
_KILOBYTE = 1024
_SIGNATURE_WITHIN = 4096  # bytes of a datagram that are searched
_BURST_SECONDS = 4.0  # of its rate a source can save up
_REMEMBERED = 4096
_REGISTER = b"REGISTER "


@dataclass(frozen=True, slots=True)
class AbusePolicy:
    """What each sort of source may do; rates in datagrams a second (each further KiB counts one).

    Attributes:
        strangers: for one of them (an IPv4 address, an IPv6 /64).
        all_strangers: for all of them together, because source addresses can be forged.
        answers: to one stranger.
        all_answers: to all strangers together.
        users: for one source from which users have proved who they are.
        trunks: for one address of a trunk.
        calls: that one address may have with us at once, if it is no trunk's (those have limits of
            their own).
        trust_seconds: how long a proof is remembered; longer than a registration lives.
        bans: when a source is banned.
        scanners: what the User-Agent of a scanner contains.
    """

    strangers: float = 50.0
    all_strangers: float = 500.0
    answers: float = 20.0
    all_answers: float = 200.0
    users: float = 500.0
    trunks: float = 10_000.0
    calls: int = 100
    trust_seconds: float = 7200.0
    bans: BanPolicy = field(default_factory=BanPolicy)
    scanners: Sequence[str] = SCANNERS


class Gatekeeper:
    """Knows the sources.

    Args:
        policy: what each sort may do.
        is_trunk: tells whether a numeric address is a trunk's.

    Attributes:
        counters: datagrams dropped, by reason.
    """

    def __init__(self, policy: AbusePolicy, *, is_trunk: Callable[[str], bool]) -> None:
        self.counters = dict.fromkeys(("over_budget", "banned", "scanners", "unanswered"), 0)
        self._policy = policy
        self._is_trunk = is_trunk
        self._trunks = _limiter(policy.trunks)
        self._users = _limiter(policy.users)
        self._strangers = _limiter(policy.strangers, policy.all_strangers)
        self._answers = _limiter(policy.answers, policy.all_answers)
        self._bans = BanList(policy.bans)
        self._suspects = BanList(policy.bans)  # apart: forged ones push no banned one out
        self._trusted: OrderedDict[str, float] = OrderedDict()  # source → until
        self._signature = _signature(policy.scanners)

    @property
    def bans(self) -> int:
        """How many sources have been banned, and are remembered."""
        return len(self._bans)

    @property
    def suspects(self) -> int:
        """How many sources have been suspected, and are remembered. They may be forged."""
        return len(self._suspects)

    def admits(self, data: bytes, host: str, now: float, *, proven: bool = False) -> bool:
        """Tell whether a datagram is read at all.

        Args:
            data: the datagram, or a message of a connection.
            host: where it came from.
            now: monotonic seconds.
            proven: it came over a connection, so that its source is no forged one.
        """
        cost = 1.0 + len(data) // _KILOBYTE
        if self._is_trunk(host):
            return self._within(self._trunks, host, now, cost)
        source = source_of(host)
        if self._is_trusted(source, now):
            return self._within(self._users, source, now, cost)
        suspect = not proven and self._suspects.is_banned(source, now)
        unread = suspect and not data.startswith(_REGISTER)
        if unread or self._bans.is_banned(source, now):
            self.counters["banned"] += 1
            return False
        if not self._within(self._strangers, source, now, cost):
            return False
        if self._signature.search(data, 0, _SIGNATURE_WITHIN):
            self.counters["scanners"] += 1
            if proven:
                self._bans.ban(source, now)
            elif not suspect:  # else forged REGISTERs would prolong it at will
                self._suspects.ban(source, now)
            return False
        return True

    def _within(self, limiter: RateLimiter, source: str, now: float, cost: float) -> bool:
        allowed = limiter.allow(source, now, cost)
        self.counters["over_budget"] += not allowed
        return allowed

    def is_stranger(self, host: str, now: float) -> bool:
        """Tell whether a source is neither a trunk's nor a user's."""
        return not self._is_trunk(host) and not self._is_trusted(source_of(host), now)

    def may_answer(self, host: str, now: float) -> bool:
        """Tell whether one more request of a stranger's is answered; the others are dropped."""
        allowed = self._answers.allow(source_of(host), now)
        self.counters["unanswered"] += not allowed
        return allowed

    def _is_trusted(self, source: str, now: float) -> bool:
        return self._trusted.get(source, 0.0) > now

    def succeeded(self, host: str, now: float) -> None:
        """Note that somebody has proved who he is."""
        source = source_of(host)
        self._trusted[source] = now + self._policy.trust_seconds
        self._trusted.move_to_end(source)
        if len(self._trusted) > _REMEMBERED:
            self._trusted.popitem(last=False)
        self._bans.forgive(source)
        self._suspects.forgive(source)

    def failed(self, host: str, now: float) -> bool:
        """Note wrong credentials that answer a challenge of ours; True when that is a ban."""
        source = source_of(host)
        if self._is_trunk(host) or self._is_trusted(source, now):
            return False  # fail2ban 3351: real users were banned, and floods were not
        return self._bans.failed(source, now)


def source_of(host: str) -> str:
    """Return what is counted as one source: an IPv4 address, or the /64 that a site is given."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64))


def _limiter(rate: float, total_rate: float | None = None) -> RateLimiter:
    return RateLimiter(
        rate=rate,
        burst=rate * _BURST_SECONDS,
        total_rate=total_rate or rate * _REMEMBERED,
        capacity=_REMEMBERED,
    )


def _signature(scanners: Sequence[str]) -> re.Pattern[bytes]:
    names = b"|".join(re.escape(name.encode()) for name in scanners) or rb"(?!)"
    header = rb"^User-Agent[ \t]*:[^\r\n]*(?:" + names + rb")"
    return re.compile(header, re.IGNORECASE | re.MULTILINE)
