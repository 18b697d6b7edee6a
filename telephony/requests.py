"""A request under way, as its user sees it: one that came in, and one that we sent."""

from collections.abc import Callable

from aiosipua import SipRequest, SipResponse

from telephony.sip.client_transaction import ClientTransaction
from telephony.sip.errors import TransactionFailure
from telephony.sip.hop import Hop
from telephony.sip.via import Address


class IncomingRequest:
    """A request from the network, handed over once: its retransmissions are absorbed.

    Attributes:
        request: the message; its top Via carries received and rport.
        hop: the way back to the sender: his address and the flow that the request came over.
        certified: it came over a connection whose peer showed a certificate that we trust.
        on_cancel: set it on an INVITE; called with the CANCEL while no final response was given.
            The CANCEL itself is already answered; the INVITE is yours to answer (487).
        on_failure: called when a final response was never acknowledged ("timeout"), a response
            could not be sent ("transport"), or, for other requests than INVITE, when you have not
            answered within 64*T1 ("timeout"). At most once.
        on_terminated: called when the transaction is over, whatever the way, before on_failure.
    """

    def __init__(
        self,
        request: SipRequest,
        hop: Hop,
        respond: Callable[[SipResponse], None],
        *,
        certified: bool = False,
    ) -> None:
        self.request = request
        self.hop = hop
        self.certified = certified
        self.on_cancel: Callable[[SipRequest], None] | None = None
        self.on_failure: Callable[[TransactionFailure], None] | None = None
        self.on_terminated: Callable[[], None] | None = None
        self._respond = respond

    @property
    def source(self) -> Address:
        """The address the request came from."""
        return self.hop.address

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
        hop: where it goes, and how.
    """

    def __init__(
        self,
        transaction: ClientTransaction,
        hop: Hop,
        is_live: Callable[[ClientTransaction], bool],
    ) -> None:
        self.moved(transaction, hop)
        self._is_live = is_live

    def moved(self, transaction: ClientTransaction, hop: Hop) -> None:
        """Note that the request goes another way now (RFC 3261 §18.1.1)."""
        self.transaction = transaction
        self.request = transaction.request
        self.hop = hop

    @property
    def active(self) -> bool:
        """Whether the transaction still exists."""
        return self._is_live(self.transaction)
