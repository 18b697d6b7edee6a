"""The SIP endpoint: a UDP socket, the transactions behind it, and one timer for all of them.

This is the shell of `telephony.sip`'s transaction machines: it reads a datagram, finds the machine
it belongs to, feeds it, performs the effects and re-arms the timer. What a request or a response
*means* is its user's business: legs and the registrar.
"""

import asyncio
import ipaddress
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

import structlog
from aiosipua import SipRequest, SipResponse

from telephony.alarm import Alarm
from telephony.requests import ClientTransactionHandle, IncomingRequest
from telephony.sip.client_transaction import (
    ClientTransaction,
    InviteClientTransaction,
    client_transaction,
)
from telephony.sip.errors import LocalProtocolError, MalformedMessage, TransactionFailure
from telephony.sip.message import (
    MAX_FORWARDS,
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
    HIGHEST_PORT,
    MAGIC_COOKIE,
    Address,
    push_via,
    response_destination,
    stamp_source,
    top_via,
)
from telephony.udp import UdpSocket

__all__ = ["ClientTransactionHandle", "IncomingRequest", "SipEndpoint"]

RFC_TIMERS = Timers()
COUNTERS = (
    "received",
    "sent",
    "lost_on_purpose",
    "keep_alives",
    "malformed",
    "malformed_answered",
    "stray_responses",
    "send_errors",
    "user_errors",
)
# RFC 5626 §3.5.1 keeps a binding alive with CRLFs; some phones send blanks or NULs instead.
_KEEP_ALIVE = b"\r\n \x00"

A = TypeVar("A")
P = ParamSpec("P")
_Transaction = ClientTransaction | ServerTransaction

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _User:
    """Who is behind a transaction: where its messages go and whom to tell what."""

    destination: Address
    deliver: Callable[[SipRequest | SipResponse], None]
    fail: Callable[[TransactionFailure], None]
    incoming: IncomingRequest | None = None


class SipEndpoint:
    """A SIP endpoint on one UDP port.

    Args:
        on_request: given each new request, and each ACK of a 2xx. If it raises, 500 is answered.
        advertised: what stands in Via, and belongs into Contact; the bound address when None. Port
            0 stands for the bound port.
        timers: the transactions' base intervals.
        drop: asked for each datagram, in and out; True loses it. For tests.

    Attributes:
        local: the bound address, once open.
        advertised: the address to be reached at, once open.
        counters: how often each of `COUNTERS` has happened.
    """

    def __init__(
        self,
        *,
        on_request: Callable[[IncomingRequest], None],
        advertised: Address | None = None,
        timers: Timers = RFC_TIMERS,
        drop: Callable[[], bool] | None = None,
    ) -> None:
        self.local: Address = ("", 0)
        self.advertised: Address = advertised or ("", 0)
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self._on_request = on_request
        self._timers = timers
        self._drop = drop
        self._socket = UdpSocket(self.datagram_received)
        self._layer = TransactionLayer()
        self._users: dict[_Transaction, _User] = {}
        self._limiter = RateLimiter()
        self._alarm: Alarm[_Transaction] | None = None

    @property
    def transactions(self) -> int:
        """How many transactions are alive."""
        return len(self._users)

    async def open(self, host: str, port: int) -> None:
        """Bind and start; port 0 takes a free one.

        Raises:
            OSError: the address cannot be resolved or bound.
            ValueError: bound to every address, and no advertised one was given.
        """
        self.local = await self._socket.open(host, port)
        if not self.advertised[0] and ipaddress.ip_address(self.local[0]).is_unspecified:
            self._socket.close()
            raise ValueError(f"bound to {self.local[0]}, so an advertised address is needed")
        self.advertised = (
            self.advertised[0] or self.local[0],
            self.advertised[1] or self.local[1],
        )
        self._alarm = Alarm(lambda transaction: self._feed(transaction, TimeUp()))

    async def close(self) -> None:
        """Release the port and forget every transaction; nobody is told."""
        self._socket.close()
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None
        self._users.clear()
        self._layer = TransactionLayer()

    # What a user asks for

    def send_request(
        self,
        request: SipRequest,
        destination: Address,
        *,
        on_response: Callable[[SipResponse], None],
        on_failure: Callable[[TransactionFailure], None],
    ) -> ClientTransactionHandle:
        """Send a copy of the request, with our Via on top, through a client transaction.

        Max-Forwards is added where it is missing.

        Args:
            request: anything but ACK and CANCEL; From tag, Call-ID and CSeq are the caller's.
            destination: a numeric address.
            on_response: given each provisional response and one final one; every 2xx to an INVITE
                for 64*T1, each of which wants its ACK.
            on_failure: called once in place of a final response, never from within this call.

        Raises:
            LocalProtocolError: the method is ACK or CANCEL, or the endpoint is not open.
        """
        if request.method in ("ACK", "CANCEL"):
            raise LocalProtocolError(f"{request.method} has a way of its own")
        sent = self._with_via(request)
        return self._start_client(sent, destination, on_response, on_failure)

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
            self._start_client(cancel, invite.destination, _ignore, _ignore)

    def send_ack(self, request: SipRequest, destination: Address) -> None:
        """Send the ACK of a 2xx: a copy with a Via of its own, outside any transaction.

        Raises:
            LocalProtocolError: the endpoint is not open.
        """
        self._transmit(self._with_via(request), destination)

    def _with_via(self, request: SipRequest) -> SipRequest:
        """Return a copy that carries our Via with a new branch (RFC 3261 §8.1.1.7)."""
        self._opened()
        sent = copy_message(request)
        push_via(sent, self.advertised, MAGIC_COOKIE + secrets.token_hex(12))
        if "Max-Forwards" not in sent.headers:
            sent.headers.append("Max-Forwards", str(MAX_FORWARDS))
        return sent

    def _start_client(
        self,
        request: SipRequest,
        destination: Address,
        on_response: Callable[[SipResponse], None],
        on_failure: Callable[[TransactionFailure], None],
    ) -> ClientTransactionHandle:
        """Begin a client transaction with a request that has its Via."""
        transaction = client_transaction(request, self._timers)

        def deliver(message: SipRequest | SipResponse) -> None:
            if isinstance(message, SipResponse):
                self._guard(on_response, message)

        def fail(reason: TransactionFailure) -> None:
            self._guard(on_failure, reason)

        self._users[transaction] = _User(destination, deliver, fail)
        self._layer.add_client(transaction)
        self._feed(transaction, Start())
        is_live = partial(self._users.__contains__, transaction)
        return ClientTransactionHandle(transaction, destination, is_live)

    # What the network brings

    def datagram_received(self, data: bytes, source: Address) -> None:
        """Take one datagram, whatever is in it."""
        if self._lose():
            return
        self.counters["received"] += 1
        if not data.strip(_KEEP_ALIVE):
            self.counters["keep_alives"] += 1
            return
        try:
            message = parse_message(data)
        except MalformedMessage as error:
            self._refuse(error, source)
            return
        if isinstance(message, SipResponse):
            self._receive_response(message)
        else:
            self._receive_request(message, source)

    def _receive_response(self, response: SipResponse) -> None:
        """Give a response to the transaction that waits for it."""
        transaction = self._layer.client_for(response)
        if transaction is None:
            # RFC 6026 §8.9: a response that matches no transaction is dropped.
            self.counters["stray_responses"] += 1
            return
        self._feed(transaction, Received(response))

    def _receive_request(self, request: SipRequest, source: Address) -> None:
        """Give a request to its transaction, or begin one; an ACK of a 2xx has none."""
        stamp_source(request, source)
        transaction = self._layer.server_for(request)
        if transaction is not None:
            self._feed(transaction, Received(request))
        elif request.method == "ACK":
            self._guard(self._on_request, IncomingRequest(request, source, _refuse_to_answer))
        else:
            self._start_server(request, source)

    def _start_server(self, request: SipRequest, source: Address) -> None:
        """Begin a server transaction."""
        transaction = server_transaction(request, self._timers)
        incoming = IncomingRequest(request, source, partial(self._respond, transaction))

        def deliver(message: SipRequest | SipResponse) -> None:
            if not isinstance(message, SipRequest):
                return
            if message.method == "CANCEL":
                self._answer_cancel(transaction, message)
            elif message.method == "ACK":
                # A 2xx's ACK with its INVITE's branch, as RFC 2543 and many a softphone have it.
                ack = IncomingRequest(message, source, _refuse_to_answer)
                self._guard(self._on_request, ack)
            else:
                self._hand_over(transaction, self._on_request, incoming)

        def fail(reason: TransactionFailure) -> None:
            if incoming.on_failure is not None:
                self._guard(incoming.on_failure, reason)

        reply_to = response_destination(top_via(request))
        self._users[transaction] = _User(reply_to, deliver, fail, incoming)
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

    def _refuse(self, error: MalformedMessage, source: Address) -> None:
        """Count what cannot be read, and answer it where that is possible and not too frequent."""
        self.counters["malformed"] += 1
        _log.debug("sip.malformed", source=source[0], status=error.status, reason=error.reason)
        if error.request is None or not self._limiter.allow(source[0], self._opened().now()):
            return
        self.counters["malformed_answered"] += 1
        stamp_source(error.request, source)
        answer = make_response(error.request, error.status, error.reason)
        self._transmit(answer, response_destination(top_via(error.request)))

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
                if not self._transmit(message, user.destination):
                    # Later, so that nobody is told of a failure before his own call returns.
                    asyncio.get_running_loop().call_soon(self._feed, transaction, TransportFailed())
            case Terminated():
                self._layer.remove(transaction)
                del self._users[transaction]
                if user.incoming is not None and user.incoming.on_terminated is not None:
                    self._guard(user.incoming.on_terminated)
            case Deliver(message):
                user.deliver(message)
            case Fail(reason):
                user.fail(reason)

    def _transmit(self, message: SipRequest | SipResponse, destination: Address) -> bool:
        """Send a datagram; False when the transport refuses it (RFC 3261 §18.4)."""
        data = bytes(message)
        if self._lose():
            return True
        try:
            _check_numeric(destination)
            self._socket.send(data, destination)
        except OSError as error:
            self.counters["send_errors"] += 1
            _log.debug("sip.send_failed", destination=destination, error=str(error))
            return False
        self.counters["sent"] += 1
        return True

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

    def _lose(self) -> bool:
        """Tell whether the test that runs us wants this datagram lost."""
        lost = self._drop is not None and self._drop()
        self.counters["lost_on_purpose"] += lost
        return lost

    def _opened(self) -> Alarm[_Transaction]:
        """Return the alarm, which exists while the endpoint is open."""
        if self._alarm is None:
            raise LocalProtocolError("the endpoint is not open")
        return self._alarm


def _check_numeric(destination: Address) -> None:
    """Refuse what the socket would look up in DNS, which would stop the loop, or cannot send to.

    Raises:
        OSError: not a numeric host, or no port.
    """
    host, port = destination
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise OSError(f"not a numeric address: {host}") from error
    if not 0 < port <= HIGHEST_PORT:
        raise OSError(f"not a port: {port}")


def _refuse_to_answer(response: SipResponse) -> None:
    """Stand in for the transaction that an ACK does not have (RFC 3261 §17)."""
    raise LocalProtocolError(f"response {response.status_code} to an ACK")


def _ignore(_: object) -> None:
    """Take what a CANCEL comes to: the INVITE's own response tells."""
