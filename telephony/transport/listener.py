"""A listener: where peers reach us, and what we say about it."""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Protocol

from telephony.sip.hop import Transport
from telephony.sip.via import Address


@dataclass(frozen=True, slots=True)
class Listener:
    """A wish to listen.

    Attributes:
        transport: UDP, TCP, TLS, WS or WSS.
        host: an address of this machine, or 0.0.0.0 or :: for all of one family.
        port: 0 takes a free one.
        advertised: what stands in Via and Contact; the bound address when None. Port 0 stands for
            the bound port.
    """

    transport: Transport
    host: str
    port: int
    advertised: Address | None = None


class Closable(Protocol):
    """What a bound listener holds of the system."""

    def close(self) -> None:
        """Give it back."""
        ...


@dataclass(frozen=True, slots=True)
class Bound:
    """A listener that listens.

    Attributes:
        transport: as in `Listener`.
        flow: its number: over UDP the flow's, of connections that of none.
        local: the bound address.
        advertised: what stands in Via and Contact.
    """

    transport: Transport
    flow: int
    local: Address
    advertised: Address

    def speaks(self, host: str) -> bool:
        """Tell whether a numeric host is of our address family."""
        return (":" in host) == (":" in self.local[0])

    @property
    def source(self) -> Address | None:
        """Where our own connections are to come from: the bound address, if it is one."""
        host = self.local[0]
        return None if ipaddress.ip_address(host).is_unspecified else (host, 0)


def advertise(listener: Listener, local: Address) -> Address:
    """Return what a bound listener says of itself.

    Raises:
        ValueError: it is bound to every address, and told none to advertise.
    """
    host, port = listener.advertised or ("", 0)
    if not host and ipaddress.ip_address(local[0]).is_unspecified:
        raise ValueError(f"bound to {local[0]}, so an advertised address is needed")
    return host or local[0], port or local[1]


def only_ipv6(bound: socket.socket) -> None:
    """Keep ``::`` to its own family, so that 0.0.0.0 can listen beside it on the same port."""
    if bound.family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
