"""The SIP endpoint: a UDP socket, the transactions behind it, and one timer for all of them.

This is the public face that legs and the registrar are written against.
"""

from collections.abc import Callable, Mapping

from aiosipua import SipRequest, SipResponse

from telephony.sip.errors import TransactionFailure
from telephony.sip.transaction import Timers
from telephony.sip.via import Address

RFC_TIMERS = Timers()


class IncomingRequest:
    """A request from the network, handed over once: its retransmissions are absorbed.

    Attributes:
        request: the message; its top Via carries received and rport.
        source: where the datagram came from.
        on_cancel: set it on an INVITE; called with the CANCEL while no final response was given.
            The CANCEL itself is already answered; the INVITE is yours to answer (487).
        on_failure: called when a final response was never acknowledged ("timeout") or could not be
            sent ("transport").
        on_terminated: called when the transaction is over, whatever the way.
    """

    request: SipRequest
    source: Address
    on_cancel: Callable[[SipRequest], None] | None
    on_failure: Callable[[TransactionFailure], None] | None
    on_terminated: Callable[[], None] | None

    def respond(self, response: SipResponse) -> None:
        """Send a response through the server transaction; 2xx to INVITE may be sent repeatedly.

        Does nothing when the transaction is already over (timed out, endpoint closed).

        Raises:
            LocalProtocolError: the request is an ACK, or it had another final response.
        """
        raise NotImplementedError


class ClientTransactionHandle:
    """A request under way.

    Attributes:
        request: as sent, with our Via.
        destination: where it goes.
    """

    request: SipRequest
    destination: Address

    @property
    def active(self) -> bool:
        """Whether the transaction still exists."""
        raise NotImplementedError


class SipEndpoint:
    """See telephony/endpoint.py's docstring; being written."""

    local: Address
    advertised: Address
    transactions: int
    counters: Mapping[str, int]

    def __init__(
        self,
        *,
        on_request: Callable[[IncomingRequest], None],
        advertised: Address | None = None,
        timers: Timers = RFC_TIMERS,
        drop: Callable[[], bool] | None = None,
    ) -> None:
        raise NotImplementedError

    async def open(self, host: str, port: int) -> None:
        """Bind; OSError propagates."""
        raise NotImplementedError

    async def close(self) -> None:
        """Forget every transaction (no callback is made) and close the socket."""
        raise NotImplementedError

    def send_request(
        self,
        request: SipRequest,
        destination: Address,
        *,
        on_response: Callable[[SipResponse], None],
        on_failure: Callable[[TransactionFailure], None],
    ) -> ClientTransactionHandle:
        """Send a copy of the request with our Via on top, through a client transaction.

        Exactly one of: responses, the last of which is final (an INVITE's 2xx may come again, from
        the same or another branch, for 64*T1); or one failure, never called from within this call.
        """
        raise NotImplementedError

    def cancel(self, invite: ClientTransactionHandle) -> None:
        """CANCEL an INVITE that had a provisional response and no final one (RFC 3261 §9.1).

        If no final response comes within 64*T1, the INVITE fails with "timeout".
        """
        raise NotImplementedError

    def send_ack(self, request: SipRequest, destination: Address) -> None:
        """Send the ACK of a 2xx: a copy with our Via (new branch), outside any transaction."""
        raise NotImplementedError
