"""A request under way, as its user sees it: one that came in, and one that we sent."""

from collections.abc import Callable

from aiosipua import SipRequest, SipResponse

from telephony.sip.client_transaction import ClientTransaction
from telephony.sip.errors import TransactionFailure
from telephony.sip.via import Address


class IncomingRequest:
    """A request from the network, handed over once: its retransmissions are absorbed.

    Attributes:
        request: the message; its top Via carries received and rport.
        source: where the datagram came from.
        on_cancel: set it on an INVITE; called with the CANCEL while no final response was given.
            The CANCEL itself is already answered; the INVITE is yours to answer (487).
        on_failure: called when a final response was never acknowledged ("timeout"), a response
            could not be sent ("transport"), or, for other requests than INVITE, when you have not
            answered within 64*T1 ("timeout"). At most once.
        on_terminated: called when the transaction is over, whatever the way, before on_failure.
    """

    def __init__(
        self, request: SipRequest, source: Address, respond: Callable[[SipResponse], None]
    ) -> None:
        self.request = request
        self.source = source
        self.on_cancel: Callable[[SipRequest], None] | None = None
        self.on_failure: Callable[[TransactionFailure], None] | None = None
        self.on_terminated: Callable[[], None] | None = None
        self._respond = respond

    def respond(self, response: SipResponse) -> None:
        """Send a copy of the response through the server transaction.

        A 2xx to an INVITE may be sent again and again, which is how it is retransmitted. Does
        nothing when the transaction is already over (timed out, or the endpoint was closed).

        Raises:
            LocalProtocolError: the request is an ACK, or another final response was given.
        """
        self._respond(response)


class ClientTransactionHandle:
    """A request that we sent.

    Attributes:
        transaction: the machine behind it.
        request: as sent, with our Via.
        destination: where it goes.
    """

    def __init__(
        self, transaction: ClientTransaction, destination: Address, is_live: Callable[[], bool]
    ) -> None:
        self.transaction = transaction
        self.request = transaction.request
        self.destination = destination
        self._is_live = is_live

    @property
    def active(self) -> bool:
        """Whether the transaction still exists."""
        return self._is_live()
