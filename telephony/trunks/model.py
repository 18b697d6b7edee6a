"""What is known of a trunk from the configuration: a carrier's, or a partner's, SIP exchange."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from telephony.sip.hop import Transport
from telephony.sip.via import DEFAULT_PORT
from telephony.trunks.numbers import NumberRules

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NO_RULES = NumberRules()
_REMEMBERED = 4096  # addresses


@dataclass(frozen=True, slots=True)
class Account:
    """What we prove to the other side when it asks who we are.

    Attributes:
        user: the user part of our address there; also the digest user name.
        password: the secret.
        register: whether to REGISTER, so that calls find us.
        expires: the life of a registration that is asked for, seconds.
    """

    user: str
    password: str = field(repr=False)
    register: bool = False
    expires: int = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """One trunk.

    Attributes:
        name: in logs, metrics and events.
        networks: its calls come from here.
        host: name or address that calls to it are sent to; None: it only brings calls.
        port: there.
        transport: by which calls to it are sent.
        domain: the host part of the URIs that it is addressed with; None: as ``host``.
        priority: the lowest that works is taken first (RFC 2782).
        weight: the share of calls among trunks of one priority; 0: hardly any.
        max_calls: at once, both directions; None: any number.
        calls_per_second: new ones, both directions, a second's worth at once; None: any number.
        probe_seconds: between two OPTIONS; None: its health is known from calls alone.
        reserved: calls go out by it only where it is named: it is a partner's own, who is not to
            carry the hotline's other calls.
        account: for carriers that want credentials; None: they know us by our address.
        inbound: makes its numbers ours.
        outbound: makes our numbers its.
    """

    name: str
    networks: tuple[Network, ...] = ()
    host: str | None = None
    port: int = DEFAULT_PORT
    transport: Transport = "UDP"
    domain: str | None = None
    priority: int = 0
    weight: int = 1
    max_calls: int | None = None
    calls_per_second: float | None = None
    probe_seconds: float | None = None
    reserved: bool = False
    account: Account | None = None
    inbound: NumberRules = NO_RULES
    outbound: NumberRules = NO_RULES

    @classmethod
    def allowing(cls, *networks: str, name: str = "local") -> Self:
        """Return a trunk that only brings calls, from these networks (CIDR, or addresses).

        Raises:
            ValueError: one of them is no network; the message names it.
        """
        return cls(name=name, networks=tuple(map(ipaddress.ip_network, networks)))

    @property
    def user(self) -> str | None:
        """The user part of our address there, None where we have no account."""
        return None if self.account is None else self.account.user

    @property
    def uri_host(self) -> str:
        """The host part of its URIs."""
        return self.domain or self.host or ""


class TrunkDirectory:
    """Finds the trunk that an address belongs to.

    Addresses that host names resolve to are learnt while the node runs.

    Args:
        trunks: the first one that an address is in counts.

    Raises:
        ValueError: two of them have one name.
    """

    def __init__(self, trunks: Sequence[Trunk]) -> None:
        self.by_name = {trunk.name: trunk for trunk in trunks}
        if len(self.by_name) < len(trunks):
            raise ValueError("two trunks of one name")
        self._learnt: dict[str, Trunk] = {}
        self._found: dict[str, Trunk | None] = {}  # asked for with every datagram

    def learn(self, trunk: Trunk, hosts: Iterable[str]) -> None:
        """Take these numeric addresses for a trunk's, in place of what was learnt for it before."""
        kept = {host: other for host, other in self._learnt.items() if other is not trunk}
        self._learnt = kept | {str(_plain(host)): trunk for host in hosts}
        self._found.clear()

    def find(self, host: str) -> Trunk | None:
        """Return whose a numeric address is, None for a stranger."""
        if host in self._found:
            return self._found[host]
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        return self._found.setdefault(host, self._look_up(host))

    def _look_up(self, host: str) -> Trunk | None:
        address = _plain(host)
        for trunk in self.by_name.values():
            if any(address in network for network in trunk.networks):
                return trunk
        return self._learnt.get(str(address))


def _plain(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # how a socket for both families shows IPv4 peers
    return address
