"""What puts SIP messages on the wire: how a peer reaches us, which transport carries a message.

A message is measured before it is sent, for RFC 3261 §18.1.1 and against amplification, and shown
to the witness afterwards: it is written once for all of these.
"""

import ipaddress
import secrets
from collections.abc import Callable, MutableMapping

import structlog
from aiosipua import SipRequest, SipResponse

from telephony.sip.hop import Destination, Hop, Transport, as_hop
from telephony.sip.message import MAX_FORWARDS, copy_message, write_message
from telephony.sip.name_addr import sip_uri
from telephony.sip.remembered import remembered
from telephony.sip.via import HIGHEST_PORT, MAGIC_COOKIE, Address, push_via
from telephony.transport.layer import TransportLayer
from telephony.witness import Witness

# RFC 3261 §18.1.1: a request "larger than 1300 bytes" goes "using an RFC 2914 congestion controlled
# transport protocol, such as TCP".
LARGEST_DATAGRAM = 1300

_log = structlog.get_logger(__name__)


class Sender:
    """Sends messages through the transports of an endpoint.

    Args:
        transports: they carry the messages.
        counters: what is counted: sent, send_errors, lost_on_purpose.
        advertised: how peers reach us to whom no listener leads.
        drop: asked for each datagram; True loses it. For tests.
        witness: shown every message that is sent.

    Attributes:
        advertised: as above; the endpoint sets it once it is bound.
        is_open: whether somebody still wants to be told of failures.
    """

    def __init__(
        self,
        transports: TransportLayer,
        *,
        counters: MutableMapping[str, int],
        advertised: Address,
        drop: Callable[[], bool] | None,
        witness: Witness | None,
    ) -> None:
        self.advertised = advertised
        self.is_open = False
        self._transports = transports
        self._counters = counters
        self._drop = drop
        self._witness = witness
        # what was written last, and its octets
        self._last: tuple[SipRequest | SipResponse | None, bytes] = (None, b"")

    def reached_at(self, destination: Destination) -> tuple[Transport, Address]:
        """Return how a peer there reaches us: what stands in Via and Contact."""
        hop = as_hop(destination)
        bound = self._transports.listener_for(hop)
        return hop.transport, self.advertised if bound is None else bound.advertised

    def contact(self, user: str, destination: Destination, *, like: str = "sip:") -> str:
        """Return our URI, for Contact, as a peer there reaches us.

        Args:
            user: its user part.
            destination: the peer.
            like: the Request-URI of the message. RFC 3261 §12.1.1: where it is a sips URI, "the
                Contact … MUST be a SIPS URI".
        """
        transport, us = self.reached_at(destination)
        uri = sip_uri(user, us)
        if like[:5].lower() == "sips:":
            return f"sips{uri[3:]}" + (";transport=ws" if transport == "WSS" else "")
        return uri if transport == "UDP" else f"{uri};transport={transport.lower()}"

    def wants_tcp(self, request: SipRequest, hop: Hop) -> bool:
        """Tell whether a request is too long for UDP, and TCP can be tried."""
        return (
            hop.transport == "UDP"
            and not hop.pinned
            and len(self.written(request)) > LARGEST_DATAGRAM
            and self._transports.listener_for(hop._replace(transport="TCP", flow=None)) is not None
        )

    def with_via(self, request: SipRequest, hop: Hop) -> SipRequest:
        """Return a copy that carries our Via with a new branch (RFC 3261 §8.1.1.7)."""
        sent = copy_message(request)
        transport, us = self.reached_at(hop)
        push_via(sent, us, MAGIC_COOKIE + secrets.token_hex(12), transport)
        if "Max-Forwards" not in sent.headers:
            sent.headers.append("Max-Forwards", str(MAX_FORWARDS))
        return sent

    def transmit(
        self,
        message: SipRequest | SipResponse,
        hop: Hop,
        on_failure: Callable[[], object],
        *,
        kept: bool = True,
    ) -> bool:
        """Send a message; False when the transport refuses it (RFC 3261 §18.4).

        Args:
            message: with its Via.
            hop: where it goes.
            on_failure: called later, if a connection had to be made for it and could not.
            kept: it may belong to a call.
        """
        data = self.written(message)
        if self.lose(hop):
            return True

        def failed() -> None:
            self._counters["send_errors"] += 1
            if self.is_open:
                on_failure()

        try:
            _check_numeric(hop.address)
            self._transports.send(data, hop, failed)
        except OSError as error:
            self._counters["send_errors"] += 1
            _log.debug("sip.send_failed", destination=str(hop), error=str(error))
            return False
        self._counters["sent"] += 1
        if self._witness is not None:
            self._witness(message, data, hop, inbound=False, kept=kept)
        return True

    def written(self, message: SipRequest | SipResponse) -> bytes:
        """Return a message as it goes over the wire; it must not be changed any more."""
        if self._last[0] is not message:
            self._last = message, write_message(message)
        return self._last[1]

    def lose(self, hop: Hop) -> bool:
        """Tell whether the test that runs us wants this datagram lost."""
        lost = self._drop is not None and not hop.reliable and self._drop()
        self._counters["lost_on_purpose"] += lost
        return lost


def _check_numeric(destination: Address) -> None:
    """Refuse what the socket would look up in DNS, which would stop the loop, or cannot send to.

    Raises:
        OSError: not a numeric host, or no port.
    """
    host, port = destination
    if not _is_numeric(host):
        raise OSError(f"not a numeric address: {host}")
    if not 0 < port <= HIGHEST_PORT:
        raise OSError(f"not a port: {port}")


@remembered
def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
