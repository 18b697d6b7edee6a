"""The SIP endpoint: its transports, and the transactions behind them.

It reads a message and finds the machine it belongs to, which `Transactions` feeds; `Asking` sends
our requests, `Answering` takes the peers'. What a request or a response *means* is its user's
business: legs and the registrar.
"""

from collections.abc import Callable, Sequence

from aiosipua import SipRequest, SipResponse

from telephony.abuse.door import Door, OpenDoor
from telephony.answering import Answering
from telephony.asking import Asking
from telephony.requests import ClientTransactionHandle, IncomingRequest
from telephony.sender import Sender
from telephony.sip.errors import MalformedMessage
from telephony.sip.hop import Destination, Hop, Transport
from telephony.sip.message import parse_message
from telephony.sip.transaction import Received, Timers
from telephony.sip.via import Address, stamp_source
from telephony.transactions import Transactions
from telephony.transport.carried import CarriedLine, Carrier
from telephony.transport.connection import ConnectionLimits
from telephony.transport.layer import TransportLayer
from telephony.transport.listener import Bound, Listener
from telephony.transport.tls import Tls
from telephony.witness import Witness

__all__ = ["ClientTransactionHandle", "IncomingRequest", "SipEndpoint"]

RFC_TIMERS = Timers()
COUNTERS = (
    "received",
    "sent",
    "lost_on_purpose",
    "keep_alives",
    "not_admitted",
    "unanswered",
    "malformed",
    "malformed_answered",
    "stray_responses",
    "send_errors",
    "user_errors",
)
# RFC 5626 §3.5.1 keeps a binding alive with CRLFs; some phones send blanks or NULs instead.
_KEEP_ALIVE = b"\r\n \x00"
MAIN_TRANSPORTS: tuple[Transport, ...] = ("UDP", "TCP")


class SipEndpoint:
    """A SIP endpoint, reached at one address and port by UDP and TCP, and wherever else is wished.

    Args:
        on_request: given each new request, and each ACK of a 2xx. If it raises, 500 is answered.
        advertised: what stands in Via, and belongs into Contact; the bound address when None. Port
            0 stands for the bound port.
        timers: the transactions' base intervals.
        drop: asked for each datagram, in and out; True loses it. For tests.
        door: says what is read, and who gets a transaction.
        limits: of connections.
        on_flow_lost: told of each connection that is gone.
        tls: for TLS and WSS listeners.
        witness: sees every message that was read, and every one that is sent.

    Attributes:
        local: the bound address of the first listener, once open.
        counters: how often each of `COUNTERS` has happened.
        send_request: see `Asking.send_request`, as of the next two.
        cancel: takes an INVITE back.
        send_ack: acknowledges a 2xx.
    """

    def __init__(
        self,
        *,
        on_request: Callable[[IncomingRequest], None],
        advertised: Address | None = None,
        timers: Timers = RFC_TIMERS,
        drop: Callable[[], bool] | None = None,
        door: Door = OpenDoor(),  # noqa: B008 - without state
        limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008 - frozen
        on_flow_lost: Callable[[Hop], None] | None = None,
        tls: Tls | None = None,
        witness: Witness | None = None,
    ) -> None:
        self.local: Address = ("", 0)
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self._door = door
        self._witness = witness
        self._on_flow_lost = on_flow_lost
        self._transports = TransportLayer(
            on_message=self.message_received, on_lost=self._flow_lost, limits=limits, tls=tls
        )
        self._sender = Sender(
            self._transports,
            counters=self.counters,
            advertised=advertised or ("", 0),
            drop=drop,
            witness=witness,
        )
        self._transactions = Transactions(self._sender, self.counters)
        self._answering = Answering(
            self._transactions,
            self._sender,
            on_request=on_request,
            door=door,
            certified=self._transports.certified,
            timers=timers,
            counters=self.counters,
        )
        asking = Asking(self._transactions, self._sender, timers)
        self.send_request, self.cancel = asking.send_request, asking.cancel
        self.send_ack = asking.send_ack

    @property
    def advertised(self) -> Address:
        """The address to be reached at by the first listener, once open."""
        return self._sender.advertised

    @property
    def transactions(self) -> int:
        """How many transactions are alive."""
        return len(self._transactions)

    @property
    def listeners(self) -> Sequence[Bound]:
        """Where peers reach us."""
        return self._transports.bound

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return self._transports.connections

    async def open(
        self,
        host: str,
        port: int,
        *,
        transports: tuple[Transport, ...] = MAIN_TRANSPORTS,
        further: Sequence[Listener] = (),
    ) -> None:
        """Bind and start.

        Args:
            host: the address of the first listener.
            port: its port, the same for each of its transports; 0 takes a free one.
            transports: spoken there.
            further: more listeners.

        Raises:
            OSError: an address cannot be resolved or bound.
            ValueError: bound to every address, and no advertised one was given.
        """
        self._transactions.open()
        self._sender.is_open = True
        advertised = self.advertised if self.advertised[0] else None
        try:
            await self._transports.open_together(transports, host, port, advertised)
            for listener in further:
                await self._transports.open(listener)
        except (OSError, ValueError):
            await self.close()
            raise
        self.local, self._sender.advertised = self.listeners[0].local, self.listeners[0].advertised

    async def close(self) -> None:
        """Release the ports and forget every transaction; nobody is told."""
        self._sender.is_open = False
        self._transactions.close()
        await self._transports.close()

    def carry(self, peer: Address, carrier: Carrier, *, secure: bool) -> CarriedLine:
        """Take a line whose messages somebody else carries; raises OSError while closed."""
        return self._transports.carry(peer, carrier, secure=secure)

    @property
    def life(self) -> int:
        """The number of this run, of which its connections are."""
        return self._transports.life

    def is_carried(self, hop: Hop) -> bool:
        """Tell whether a message came over a line of `carry`."""
        return self._transports.carried(hop)

    def is_alive(self, hop: Hop) -> bool:
        """Tell whether the flow of a hop is there."""
        return self._transports.alive(hop)

    def reached_at(self, destination: Destination) -> tuple[Transport, Address]:
        """Return how a peer there reaches us; see `Sender.reached_at`."""
        return self._sender.reached_at(destination)

    def contact(self, user: str, destination: Destination, *, like: str = "sip:") -> str:
        """Return our URI, for Contact, as a peer there reaches us; see `Sender.contact`."""
        return self._sender.contact(user, destination, like=like)

    # What the network brings

    def message_received(self, data: bytes, hop: Hop) -> None:
        """Take one datagram, or one message of a connection, whatever is in it."""
        if self._sender.lose(hop):
            return
        self.counters["received"] += 1
        if not self._door.admits(data, hop, self._transactions.now()):
            self.counters["not_admitted"] += 1
            return
        if not data.strip(_KEEP_ALIVE):
            self.counters["keep_alives"] += 1
            return
        try:
            message = parse_message(data)
        except MalformedMessage as error:
            self._answering.refuse(error, hop)
            return
        if isinstance(message, SipResponse):
            self._receive_response(message, data, hop)
        else:
            self._receive_request(message, data, hop)

    def _see(self, message: SipRequest | SipResponse, data: bytes, hop: Hop, *, kept: bool) -> None:
        """Show a message that came in to the witness."""
        if self._witness is not None:
            self._witness(message, data, hop, inbound=True, kept=kept)

    def _receive_response(self, response: SipResponse, data: bytes, hop: Hop) -> None:
        """Give a response to the transaction that waits for it."""
        transaction = self._transactions.layer.client_for(response)
        self._see(response, data, hop, kept=transaction is not None)
        if transaction is None:
            # RFC 6026 §8.9: a response that matches no transaction is dropped.
            self.counters["stray_responses"] += 1
            return
        self._transactions.feed(transaction, Received(response))

    def _receive_request(self, request: SipRequest, data: bytes, hop: Hop) -> None:
        """Give a request to its transaction, or begin one; an ACK of a 2xx has none."""
        stamp_source(request, hop.address)
        transaction = self._transactions.layer.server_for(request)
        stranger = transaction is None and self._door.is_stranger(
            request, hop, self._transactions.now()
        )
        self._see(request, data, hop, kept=not stranger)
        if transaction is not None:
            self._transactions.feed(transaction, Received(request))
        elif request.method == "ACK":
            self._answering.hand_on_ack(request, hop)
        elif stranger:
            self._answering.answer_once(request, hop, len(data))
        else:
            self._answering.begin(request, hop)

    def _flow_lost(self, hop: Hop) -> None:
        """Let go of what can be reached over this connection alone, and tell."""
        if not self._transactions.is_open:
            return
        self._transactions.flow_lost(hop)
        if self._on_flow_lost is not None:
            self._transactions.guard(self._on_flow_lost, hop)
