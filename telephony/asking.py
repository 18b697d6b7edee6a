"""The endpoint's requests to peers: through client transactions, and the ACK of a 2xx beside them.

RFC 3261 §17.1 and §13.2.2.4; which transport carries one is said in §18.1.1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aiosipua import SipRequest, SipResponse

from telephony.requests import ClientTransactionHandle
from telephony.sender import Sender
from telephony.sip.client_transaction import (
    ClientTransaction,
    InviteClientTransaction,
    client_transaction,
)
from telephony.sip.errors import LocalProtocolError, TransactionFailure
from telephony.sip.hop import Destination, Hop, as_hop
from telephony.sip.message import build_cancel
from telephony.sip.transaction import Cancelled, Start, Timers
from telephony.transactions import Transactions, TransactionUser


@dataclass(slots=True)
class _Asked:
    """Who has sent a request, and waits for what it comes to.

    An object, and no functions that know each other: those would stay, with all that they know,
    until the garbage collector stops everything to look for them.
    """

    asking: "Asking"
    hop: Hop
    on_response: Callable[[SipResponse], None]
    on_failure: Callable[[TransactionFailure], None]
    otherwise: Callable[[], tuple[SipRequest, Hop]] | None
    handle: ClientTransactionHandle | None = None

    def deliver(self, message: SipRequest | SipResponse) -> None:
        """Hand a response to who waits for it."""
        if isinstance(message, SipResponse):
            self.asking.transactions.guard(self.on_response, message)

    def fail(self, reason: TransactionFailure) -> None:
        """Try the other way, if there is one, or tell who waits."""
        handle = self.handle
        first = handle is not None and handle.hop is self.hop
        if reason == "transport" and self.otherwise is not None and handle is not None and first:
            handle.moved(*self.asking.begin(*self.otherwise(), self))
        else:
            self.asking.transactions.guard(self.on_failure, reason)


class Asking:
    """Sends requests.

    Args:
        transactions: where each of them is kept.
        sender: puts them on the wire.
        timers: the transactions' base intervals.

    Attributes:
        transactions: as given.
    """

    def __init__(self, transactions: Transactions, sender: Sender, timers: Timers) -> None:
        self.transactions = transactions
        self._sender = sender
        self._timers = timers

    def send_request(
        self,
        request: SipRequest,
        destination: Destination,
        *,
        on_response: Callable[[SipResponse], None],
        on_failure: Callable[[TransactionFailure], None],
    ) -> ClientTransactionHandle:
        """Send a copy of the request, with our Via on top, through a client transaction.

        Max-Forwards is added where it is missing.

        Args:
            request: anything but ACK and CANCEL; From tag, Call-ID and CSeq are the caller's.
            destination: with a numeric host. Over UDP a request that is too long for a datagram
                goes by TCP, and over UDP after all where TCP is refused (RFC 3261 §18.1.1).
            on_response: given each provisional response and one final one; every 2xx to an INVITE
                for 64*T1, each of which wants its ACK.
            on_failure: called once in place of a final response, never from within this call.

        Raises:
            LocalProtocolError: the method is ACK or CANCEL, or the endpoint is not open.
        """
        if request.method in ("ACK", "CANCEL"):
            raise LocalProtocolError(f"{request.method} has a way of its own")
        self.transactions.check_open()
        hop = as_hop(destination)
        sent = self._sender.with_via(request, hop)
        if not self._sender.wants_tcp(sent, hop):
            return self._start(sent, hop, on_response, on_failure)
        by_tcp = hop._replace(transport="TCP", flow=None)
        sent = self._sender.with_via(request, by_tcp)

        def by_udp() -> tuple[SipRequest, Hop]:
            return self._sender.with_via(request, hop), hop

        return self._start(sent, by_tcp, on_response, on_failure, otherwise=by_udp)

    def cancel(
        self, invite: ClientTransactionHandle, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """CANCEL an INVITE (RFC 3261 §9.1); nothing happens when it has its final response.

        ``headers`` go into the CANCEL.

        Once cancelled it gets its final response (487, or a 2xx that crossed) within 64*T1, or
        fails with "timeout".

        Raises:
            LocalProtocolError: it is no INVITE, or had no provisional response yet.
        """
        transaction = invite.transaction
        if not isinstance(transaction, InviteClientTransaction):
            raise LocalProtocolError(f"{invite.request.method} cannot be cancelled")
        if transaction.cancelled or transaction not in self.transactions:
            return
        self.transactions.feed(transaction, Cancelled())
        if transaction.state == "proceeding":
            cancel = build_cancel(invite.request, headers)
            self._start(cancel, invite.hop, _ignore, _ignore)

    def send_ack(self, request: SipRequest, destination: Destination) -> None:
        """Send the ACK of a 2xx: a copy with a Via of its own, outside any transaction.

        Raises:
            LocalProtocolError: the endpoint is not open.
        """
        self.transactions.check_open()
        hop = as_hop(destination)
        sent = self._sender.with_via(request, hop)
        if self._sender.wants_tcp(sent, hop):
            by_tcp = hop._replace(transport="TCP", flow=None)
            by_udp = partial(self._sender.transmit, sent, hop, _nothing)
            self._sender.transmit(self._sender.with_via(request, by_tcp), by_tcp, by_udp)
        else:
            self._sender.transmit(sent, hop, _nothing)

    def _start(
        self,
        request: SipRequest,
        hop: Hop,
        on_response: Callable[[SipResponse], None],
        on_failure: Callable[[TransactionFailure], None],
        *,
        otherwise: Callable[[], tuple[SipRequest, Hop]] | None = None,
    ) -> ClientTransactionHandle:
        """Begin a client transaction with a request that has its Via.

        Args:
            request: the message.
            hop: where it goes.
            on_response: as in `send_request`.
            on_failure: as in `send_request`.
            otherwise: asked for another way when the transport refuses this one.
        """
        asked = _Asked(self, hop, on_response, on_failure, otherwise)
        asked.handle = handle = ClientTransactionHandle(
            *self.begin(request, hop, asked), self.transactions.__contains__
        )
        return handle

    def begin(
        self, request: SipRequest, hop: Hop, asked: "_Asked"
    ) -> tuple[ClientTransaction, Hop]:
        """Begin the transaction of a request, on one way."""
        transaction = client_transaction(request, self._timers, reliable=hop.reliable)
        user = TransactionUser(hop, asked.deliver, asked.fail)
        self.transactions.begin(transaction, user, Start())
        return transaction, hop


def _ignore(_: object) -> None:
    """Take what a CANCEL comes to: the INVITE's own response tells."""


def _nothing() -> None:
    """Take the failure of an ACK, for which nobody waits."""
