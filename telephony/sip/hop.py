"""Where a message goes next: an address, how it is reached, and over which connection.

A *flow* (RFC 5626 §3.1) is one connection, or the datagrams between one of our UDP sockets and one
peer; flows of a running endpoint have numbers.
"""

from typing import Literal, NamedTuple

from aiosipua import parse_uri

from telephony.sip.name_addr import address_of, host_port
from telephony.sip.via import DEFAULT_PORT, Address

Transport = Literal["UDP", "TCP", "TLS", "WS", "WSS"]

SECURE_PORT = 5061
_BITS_OF_A_LIFE = 32  # that many flows one run of an endpoint may number
_BY_PARAMETER: dict[str, Transport] = {
    "udp": "UDP",
    "tcp": "TCP",
    "tls": "TLS",
    "ws": "WS",
    "wss": "WSS",
}
_SECURED: dict[Transport, Transport] = {"TCP": "TLS", "WS": "WSS"}


class Hop(NamedTuple):
    """The next hop of a message.

    Attributes:
        host: numeric, IPv6 without brackets.
        port: of the peer; where the flow is gone, a new connection is made to it.
        transport: as it stands in Via.
        flow: the flow to use as long as it lives; None: whichever leads there.
        pinned: this flow or none: behind a NAT no other way leads to the peer.
    """

    host: str
    port: int
    transport: Transport = "UDP"
    flow: int | None = None
    pinned: bool = False

    @property
    def address(self) -> Address:
        """Host and port."""
        return self.host, self.port

    @property
    def reliable(self) -> bool:
        """Whether the transport itself repeats what is lost (RFC 3261 §17)."""
        return self.transport != "UDP"

    @property
    def tied(self) -> bool:
        """Whether one connection alone leads to the peer (RFC 5626 §5.3)."""
        return self.reliable and self.pinned

    def __str__(self) -> str:
        return f"{self.transport} {host_port(self.address)}"


def first_flow(life: int) -> int:
    """Return the number before the first connection's of one life (run) of an endpoint."""
    return life << _BITS_OF_A_LIFE


def life_of(flow: int | None) -> int:
    """Return in which life a connection was made; 0 where it is none."""
    return (flow or 0) >> _BITS_OF_A_LIFE


Destination = Address | Hop
"""A bare address is reached over UDP."""


def as_hop(destination: Destination) -> Hop:
    """Return a destination with everything said."""
    return destination if isinstance(destination, Hop) else Hop(*destination)


def default_port(transport: str) -> int:
    """Return the port where a sent-by or a URI names none (RFC 3261 §18.2.2, §19.1.2)."""
    return SECURE_PORT if transport in {"TLS", "WSS"} else DEFAULT_PORT


def hop_of(uri: str, *, usual: Transport = "UDP") -> Hop | None:
    """Return where a sip or sips URI points, if that can be told without a name server.

    RFC 3263 §4.1: a numeric host without a transport is reached over UDP, in a sips URI over TLS.

    Args:
        uri: of a Contact or a Route.
        usual: the transport where the URI names none.
    """
    named = transport_of(uri)
    if uri[:5].lower() == "sips:":
        transport = _SECURED.get(named or "TCP", named or "TLS")
    else:
        transport = named or usual
    address = address_of(uri, default_port=default_port(transport))
    return None if address is None else Hop(*address, transport)


def transport_of(uri: str) -> Transport | None:
    """Return the transport that a URI names, None where it names none or one that we don't know."""
    if uri.partition(":")[0].lower() not in {"sip", "sips"}:
        return None
    return _BY_PARAMETER.get((parse_uri(uri).params.get("transport") or "").lower())


def next_hop(uri: str, flow: Destination, *, pinned: bool = False) -> Destination:
    """Return where a request within a dialog goes.

    A peer who came over a connection is answered over it as long as it lives, unless his URI wants
    another transport; where it is gone a new one is made to his URI.

    Args:
        uri: the remote target, or the first Route.
        flow: how the peer was reached, or reached us, last; where the URI cannot tell.
        pinned: the peer is a registered phone: over UDP only the flow leads to it.
    """
    came = as_hop(flow)
    if pinned and not came.reliable:
        return flow
    target = hop_of(uri, usual=came.transport)
    if target is None:
        return flow
    if pinned or target.transport == came.transport:
        target = Hop(target.host, target.port, came.transport, came.flow)
    return _plain(target)


def located(uri: str, home: Destination) -> Destination:
    """Return where a URI points, perhaps another party than at home; home where it cannot tell."""
    target = hop_of(uri, usual=as_hop(home).transport)
    return home if target is None else _plain(target)


def _plain(hop: Hop) -> Destination:
    """Return a hop as its bare address, if that says as much."""
    return hop.address if hop == Hop(*hop.address) else hop
