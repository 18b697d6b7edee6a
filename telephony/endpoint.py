"""The SIP endpoint: its transports, the transactions behind them, and one timer for all of them.

This is the shell of `telephony.sip`'s transaction machines: it reads a message, finds the machine
it belongs to, feeds it, performs the effects and re-arms the timer. What a request or a response
*means* is its user's business: legs and the registrar.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

import structlog
from aiosipua import SipRequest, SipResponse

from telephony.abuse.door import Door, OpenDoor
from telephony.abuse.gatekeeper import AMPLIFICATION
from telephony.alarm import Alarm
from telephony.requests import ClientTransactionHandle, IncomingRequest
from telephony.sender import Sender
from telephony.sip.client_transaction import (
    ClientTransaction,
    InviteClientTransaction,
    client_transaction,
)
from telephony.sip.errors import LocalProtocolError, MalformedMessage, TransactionFailure
from telephony.sip.hop import Destination, Hop, Transport, as_hop, default_port
from telephony.sip.message import (
    FINAL,
    build_cancel,
    copy_message,
    make_response,
    parse_message,
    tag_of,
)
from telephony.sip.rate_limit import RateLimiter
from telephony.sip.server_transaction import ServerTransaction, server_transaction
from telephony.sip.transaction import (
    Cancelled,
    Deliver,
    Effect,
    Fail,
    Received,
    Respond,
    Send,
    Start,
    Terminated,
    Timers,
    TimeUp,
    TransactionInput,
    TransportFailed,
)
from telephony.sip.transaction_layer import TransactionLayer
from telephony.sip.via import (
    Address,
    reopening_destination,
    response_destination,
    stamp_source,
    top_via,
)
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

A = TypeVar("A")
P = ParamSpec("P")
_Transaction = ClientTransaction | ServerTransaction

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _User:
    """Who is behind a transaction: where its messages go and whom to tell what."""

    hop: Hop
    deliver: Callable[[SipRequest | SipResponse], None]
    fail: Callable[[TransactionFailure], None]
    incoming: IncomingRequest | None = None


@dataclass(slots=True)
class _Asking:
    """Who has sent a request, and waits for what it comes to.

    An object, and no functions that know each other: those would stay, with all that they know,
    until the garbage collector stops everything to look for them.
    """

    endpoint: "SipEndpoint"
    hop: Hop
    on_response: Callable[[SipResponse], None]
    on_failure: Callable[[TransactionFailure], None]
    otherwise: Callable[[], tuple[SipRequest, Hop]] | None
    handle: ClientTransactionHandle | None = None

    def deliver(self, message: SipRequest | SipResponse) -> None:
        """Hand a response to who waits for it."""
        if isinstance(message, SipResponse):
            self.endpoint._guard(self.on_response, message)  # noqa: SLF001 - a part of it

    def fail(self, reason: TransactionFailure) -> None:
        """Try the other way, if there is one, or tell who waits."""
        handle = self.handle
        first = handle is not None and handle.hop is self.hop
        if reason == "transport" and self.otherwise is not None and handle is not None and first:
            handle.moved(*self.endpoint._begin_client(*self.otherwise(), self))  # noqa: SLF001
        else:
            self.endpoint._guard(self.on_failure, reason)  # noqa: SLF001


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
        self._on_request = on_request
        self._timers = timers
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
        self._layer = TransactionLayer()
        self._users: dict[_Transaction, _User] = {}
        self._limiter = RateLimiter()
        self._alarm: Alarm[_Transaction] | None = None

    @property
    def advertised(self) -> Address:
        """The address to be reached at by the first listener, once open."""
        return self._sender.advertised

    @property
    def transactions(self) -> int:
        """How many transactions are alive."""
        return len(self._users)

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
        self._alarm = Alarm(lambda transaction: self._feed(transaction, TimeUp()))
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
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None
        self._sender.is_open = False
        self._users.clear()
        self._layer = TransactionLayer()
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

    # What a user asks for

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
        self._opened()
        hop = as_hop(destination)
        sent = self._sender.with_via(request, hop)
        if not self._sender.wants_tcp(sent, hop):
            return self._start_client(sent, hop, on_response, on_failure)
        by_tcp = hop._replace(transport="TCP", flow=None)
        sent = self._sender.with_via(request, by_tcp)

        def by_udp() -> tuple[SipRequest, Hop]:
            return self._sender.with_via(request, hop), hop

        return self._start_client(sent, by_tcp, on_response, on_failure, otherwise=by_udp)

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
        if transaction.cancelled or transaction not in self._users:
            return
        self._feed(transaction, Cancelled())
        if transaction.state == "proceeding":
            cancel = build_cancel(invite.request, headers)
            self._start_client(cancel, invite.hop, _ignore, _ignore)

    def send_ack(self, request: SipRequest, destination: Destination) -> None:
        """Send the ACK of a 2xx: a copy with a Via of its own, outside any transaction.

        Raises:
            LocalProtocolError: the endpoint is not open.
        """
        self._opened()
        hop = as_hop(destination)
        sent = self._sender.with_via(request, hop)
        if self._sender.wants_tcp(sent, hop):
            by_tcp = hop._replace(transport="TCP", flow=None)
            by_udp = partial(self._sender.transmit, sent, hop, _nothing)
            self._sender.transmit(self._sender.with_via(request, by_tcp), by_tcp, by_udp)
        else:
            self._sender.transmit(sent, hop, _nothing)

    def _start_client(
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
        asking = _Asking(self, hop, on_response, on_failure, otherwise)
        asking.handle = handle = ClientTransactionHandle(
            *self._begin_client(request, hop, asking), self._users.__contains__
        )
        return handle

    def _begin_client(
        self, request: SipRequest, hop: Hop, asking: "_Asking"
    ) -> tuple[ClientTransaction, Hop]:
        """Begin the transaction of a request, on one way."""
        transaction = client_transaction(request, self._timers, reliable=hop.reliable)
        self._users[transaction] = _User(hop, asking.deliver, asking.fail)
        self._layer.add_client(transaction)
        self._feed(transaction, Start())
        return transaction, hop

    # What the network brings

    def message_received(self, data: bytes, hop: Hop) -> None:
        """Take one datagram, or one message of a connection, whatever is in it."""
        if self._sender.lose(hop):
            return
        self.counters["received"] += 1
        if not self._door.admits(data, hop, self._opened().now()):
            self.counters["not_admitted"] += 1
            return
        if not data.strip(_KEEP_ALIVE):
            self.counters["keep_alives"] += 1
            return
        try:
            message = parse_message(data)
        except MalformedMessage as error:
            self._refuse(error, hop)
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
        transaction = self._layer.client_for(response)
        self._see(response, data, hop, kept=transaction is not None)
        if transaction is None:
            # RFC 6026 §8.9: a response that matches no transaction is dropped.
            self.counters["stray_responses"] += 1
            return
        self._feed(transaction, Received(response))

    def _receive_request(self, request: SipRequest, data: bytes, hop: Hop) -> None:
        """Give a request to its transaction, or begin one; an ACK of a 2xx has none."""
        stamp_source(request, hop.address)
        transaction = self._layer.server_for(request)
        stranger = transaction is None and self._door.is_stranger(
            request, hop, self._opened().now()
        )
        self._see(request, data, hop, kept=not stranger)
        if transaction is not None:
            self._feed(transaction, Received(request))
        elif request.method == "ACK":
            self._guard(self._on_request, IncomingRequest(request, hop, _refuse_to_answer))
        elif stranger:
            self._answer_once(request, hop, len(data))
        else:
            self._start_server(request, hop)

    def _answer_once(self, request: SipRequest, hop: Hop, size: int) -> None:
        """Let a stranger's request be answered, and forget it (RFC 3261 §8.2.7).

        "A stateless UAS … MUST NOT send provisional (1xx) responses. … MUST NOT retransmit
        responses. … MUST ignore ACK requests. … MUST ignore CANCEL requests."
        """
        if request.method == "CANCEL" or not self._door.may_answer(hop, self._opened().now()):
            self.counters["unanswered"] += 1
            return

        def respond(response: SipResponse) -> None:
            if response.status_code < FINAL or self._alarm is None:
                return
            if len(self._sender.written(response)) > AMPLIFICATION * size:
                self.counters["unanswered"] += 1
                return
            self._sender.transmit(response, _way_back(request, hop), _nothing, kept=False)

        self._guard(self._on_request, IncomingRequest(request, hop, respond))

    def _start_server(self, request: SipRequest, hop: Hop) -> None:
        """Begin a server transaction."""
        transaction = server_transaction(request, self._timers, reliable=hop.reliable)
        incoming = IncomingRequest(
            request,
            hop,
            partial(self._respond, transaction),
            certified=self._transports.certified(hop),
        )

        def deliver(message: SipRequest | SipResponse) -> None:
            if not isinstance(message, SipRequest):
                return
            if message.method == "CANCEL":
                self._answer_cancel(transaction, message)
            elif message.method == "ACK":
                # A 2xx's ACK with its INVITE's branch, as RFC 2543 and many a softphone have it.
                ack = IncomingRequest(message, hop, _refuse_to_answer)
                self._guard(self._on_request, ack)
            else:
                self._hand_over(transaction, self._on_request, incoming)

        def fail(reason: TransactionFailure) -> None:
            if incoming.on_failure is not None:
                self._guard(incoming.on_failure, reason)

        self._users[transaction] = _User(_way_back(request, hop), deliver, fail, incoming)
        self._layer.add_server(transaction)
        self._feed(transaction, Received(request))

    def _respond(self, transaction: ServerTransaction, response: SipResponse) -> None:
        """Feed a user's answer, unless he comes too late."""
        if transaction in self._users:
            self._feed(transaction, Respond(copy_message(response)))

    def _answer_cancel(self, transaction: ServerTransaction, cancel: SipRequest) -> None:
        """Answer a CANCEL and tell the INVITE's user (RFC 3261 §9.2)."""
        invite = self._layer.cancelled_by(cancel)
        if invite is None:
            self._respond(transaction, make_response(cancel, 481))
            return
        # §9.2: the To tag "SHOULD be the same" as in the response to the INVITE.
        answered = invite.last_response
        tag = tag_of(answered.headers.get("To")[0]) if answered is not None else None
        self._respond(transaction, make_response(cancel, 200, to_tag=tag))
        incoming = self._users[invite].incoming
        if invite.state == "proceeding" and incoming is not None and incoming.on_cancel is not None:
            self._hand_over(invite, incoming.on_cancel, cancel)

    def _refuse(self, error: MalformedMessage, hop: Hop) -> None:
        """Count what cannot be read, and answer it where that is possible and not too frequent."""
        self.counters["malformed"] += 1
        source = hop.address
        _log.debug("sip.malformed", source=source[0], status=error.status, reason=error.reason)
        if error.request is None or not self._limiter.allow(source[0], self._opened().now()):
            return
        self.counters["malformed_answered"] += 1
        stamp_source(error.request, source)
        answer = make_response(error.request, error.status, error.reason)
        self._sender.transmit(answer, _way_back(error.request, hop), _nothing, kept=False)

    # Machines, effects, time

    def _feed(self, transaction: _Transaction, event: TransactionInput) -> None:
        """Give a machine its input, re-arm the timer, and perform what it wants done."""
        user = self._users.get(transaction)
        if user is None:
            return
        alarm = self._opened()
        effects = transaction.handle(event, alarm.now())
        alarm.set(transaction, transaction.deadline)
        for effect in effects:
            self._perform(effect, transaction, user)

    def _perform(self, effect: Effect, transaction: _Transaction, user: _User) -> None:
        """Perform one effect."""
        match effect:
            case Send(message):
                failed = partial(self._feed, transaction, TransportFailed())
                if not self._sender.transmit(message, user.hop, failed):
                    # Later, so that nobody is told of a failure before his own call returns.
                    asyncio.get_running_loop().call_soon(failed)
            case Terminated():
                self._layer.remove(transaction)
                del self._users[transaction]
                if user.incoming is not None and user.incoming.on_terminated is not None:
                    self._guard(user.incoming.on_terminated)
            case Deliver(message):
                user.deliver(message)
            case Fail(reason):
                user.fail(reason)

    def _flow_lost(self, hop: Hop) -> None:
        """Let go of what can be reached over this connection alone, and tell."""
        if self._alarm is None:
            return
        for transaction, user in list(self._users.items()):
            if user.hop.pinned and user.hop.flow == hop.flow:
                self._feed(transaction, TransportFailed())
        if self._on_flow_lost is not None:
            self._guard(self._on_flow_lost, hop)

    def _hand_over(
        self, transaction: ServerTransaction, callback: Callable[[A], None], argument: A
    ) -> None:
        """Call the user behind a request; answer 500 if he fails, so that nobody waits for him."""
        if not self._guard(callback, argument) and transaction.state in ("trying", "proceeding"):
            self._respond(transaction, make_response(transaction.request, 500))

    def _guard(self, callback: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Call a user; his mistakes must not reach the other calls of this socket and timer."""
        try:
            callback(*args, **kwargs)
        except Exception:  # noqa: BLE001 - the outermost boundary of each datagram and timer
            self.counters["user_errors"] += 1
            _log.exception("sip.user_failed")
            return False
        return True

    def _opened(self) -> Alarm[_Transaction]:
        """Return the alarm, which exists while the endpoint is open."""
        if self._alarm is None:
            raise LocalProtocolError("the endpoint is not open")
        return self._alarm


def _way_back(request: SipRequest, hop: Hop) -> Hop:
    """Return where the responses to a request go (RFC 3261 §18.2.2, RFC 3581 §4)."""
    via = top_via(request)
    if not hop.reliable:
        host, port = response_destination(via)
    else:
        host, port = reopening_destination(via, default_port(hop.transport))
    return hop._replace(host=host, port=port)


def _refuse_to_answer(response: SipResponse) -> None:
    """Stand in for the transaction that an ACK does not have (RFC 3261 §17)."""
    raise LocalProtocolError(f"response {response.status_code} to an ACK")


def _ignore(_: object) -> None:
    """Take what a CANCEL comes to: the INVITE's own response tells."""


def _nothing() -> None:
    """Take the failure of what nobody waits for."""
