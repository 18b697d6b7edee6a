"""Two legs, each with its transactions, joined by a link that loses, doubles, delays and reorders.

What a gateway and its endpoint do with sockets and a clock, done here in virtual time: a `Side` is
one of them, a `Network` the link between two. Whatever goes over the link is written to bytes and
read again.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable

from aiosipua import SipRequest, SipResponse

from telephony.sip.client_transaction import (
    ClientTransaction,
    InviteClientTransaction,
    client_transaction,
)
from telephony.sip.dialog import OutgoingRequest, dialog_id
from telephony.sip.inbound_leg import InboundLeg
from telephony.sip.invite_usage import (
    Answer,
    GotCancel,
    GotRequest,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    Reply,
    RequestFailed,
    SendAck,
    SendCancel,
    SendRequest,
    Tell,
    TimePassed,
    write_reply,
)
from telephony.sip.leg_events import LegAnswered, LegEnded, LegEvent, LegReoffered
from telephony.sip.message import build_cancel, make_response, parse_message
from telephony.sip.outbound_leg import OutboundLeg
from telephony.sip.server_transaction import ServerTransaction, server_transaction
from telephony.sip.session_timer import SessionPolicy
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
    TimeUp,
    TransactionInput,
)
from telephony.sip.transaction_layer import TransactionLayer
from telephony.sip.via import Address, push_via, response_destination, stamp_source, top_via
from tests.telephony.sip.usage import TIMERS

Fate = tuple[float, ...]
"""What becomes of a datagram: the delay of each copy that arrives; none is a loss."""

PERFECT: Fate = (0.02,)
CALLER: Address = ("127.0.0.1", 5061)
CALLED: Address = ("127.0.0.1", 5062)
SESSION = SessionPolicy(interval=120, minimum=90)
_Transaction = ClientTransaction | ServerTransaction
_Machine = InboundLeg | OutboundLeg


def describe(name: str, number: int, direction: str = "sendrecv") -> str:
    """Return a session description that no other one is equal to."""
    return (
        f"v=0\r\no={name} 1 {number} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {4000 + 2 * (number % 1000)} RTP/AVP 8\r\na={direction}\r\n"
    )


class Side:
    """One end: a leg, its transactions, and an owner who writes down what he is told.

    Attributes:
        machine: the leg; None before the call has arrived.
        events: what the owner was told.
        finals: for each request that came in, the final statuses it was answered with.
        patient: the owner leaves an offer of the peer's waiting; else he answers it at once.
    """

    def __init__(self, name: str, address: Address, network: "Network") -> None:
        self.name = name
        self.address = address
        self.machine: _Machine | None = None
        self.events: list[LegEvent] = []
        self.finals: dict[str, list[int]] = {}
        self.patient = False
        self._network = network
        self._layer = TransactionLayer()
        self._clients: dict[ClientTransaction, OutgoingRequest | None] = {}
        self._servers: dict[ServerTransaction, SipRequest] = {}
        self._inputs: deque[LegInput] = deque()
        self._busy = False
        self._branches = 0
        self._described = 0

    # What a test asks

    @property
    def over(self) -> bool:
        return self.machine is not None and self.machine.over

    @property
    def up(self) -> bool:
        """Whether the owner believes that the two are talking."""
        kinds = {type(event).__name__ for event in self.events}
        return not self.over and not kinds.isdisjoint({"LegAnswered", "LegConfirmed"})

    @property
    def transactions(self) -> int:
        return len(self._clients) + len(self._servers)

    def describe(self, direction: str = "sendrecv") -> str:
        self._described += 1
        return describe(self.name, self._described, direction)

    # Time

    @property
    def deadline(self) -> float | None:
        machines = [*self._clients, *self._servers, *([self.machine] if self.machine else [])]
        times = [machine.deadline for machine in machines]
        return min((at for at in times if at is not None), default=None)

    def time_passed(self) -> None:
        now = self._network.now
        for transaction in [*self._clients, *self._servers]:
            if transaction.deadline is not None and transaction.deadline <= now:
                self._feed_transaction(transaction, TimeUp())
        if self.machine and self.machine.deadline is not None and self.machine.deadline <= now:
            before = self.machine.deadline
            self.feed(TimePassed())
            assert self.machine.deadline != before, "the leg wants to be called for ever"

    # The leg, as telephony.leg has it

    def feed(self, event: LegInput) -> None:
        self._inputs.append(event)
        if self._busy or self.machine is None:
            return
        self._busy = True
        while self._inputs:
            self.perform(self.machine.handle(self._inputs.popleft(), self._network.now))
        self._busy = False

    def perform(self, effects: list[LegEffect]) -> None:
        for effect in effects:
            match effect:
                case Tell(event):
                    self._tell(event)
                case SendRequest(request):
                    self._start_client(self._write(request), request)
                case SendAck(request):
                    self._network.send(
                        self, self._write(request), self._network.peer_of(self).address
                    )
                case SendCancel(invite):
                    self._cancel(invite)
                case Reply():
                    self._reply(effect)

    def _tell(self, event: LegEvent) -> None:
        self.events.append(event)
        offered = isinstance(event, LegReoffered) or (
            isinstance(event, LegAnswered) and event.offered
        )
        if offered and not self.patient:
            self.feed(Answer(self.describe()))

    def _reply(self, reply: Reply) -> None:
        for transaction, request in self._servers.items():
            if request is reply.to:
                contact = f"sip:{self.name}@127.0.0.1:{self.address[1]}"
                response = write_reply(reply, local_tag=self.name, contact=contact)
                self._respond(transaction, response)
                return

    def _write(self, request: OutgoingRequest) -> SipRequest:
        contact = f"sip:{self.name}@127.0.0.1:{self.address[1]}"
        message = request.to_message(contact=contact)
        self._branches += 1
        push_via(message, self.address, f"z9hG4bK-{self.name}-{self._branches}")
        return message

    # Transactions, as telephony.endpoint has them

    def _start_client(self, message: SipRequest, request: OutgoingRequest | None) -> None:
        transaction = client_transaction(message, TIMERS)
        self._clients[transaction] = request
        self._layer.add_client(transaction)
        self._feed_transaction(transaction, Start())

    def _cancel(self, invite: OutgoingRequest) -> None:
        for transaction, request in list(self._clients.items()):
            if request == invite and isinstance(transaction, InviteClientTransaction):
                self._feed_transaction(transaction, Cancelled())
                if transaction.state == "proceeding":
                    self._start_client(build_cancel(transaction.request), None)

    def receive(self, data: bytes, source: Address) -> None:
        message = parse_message(data)
        if isinstance(message, SipResponse):
            client = self._layer.client_for(message)
            if client is not None:
                self._feed_transaction(client, Received(message))
            return
        stamp_source(message, source)
        server = self._layer.server_for(message)
        if server is not None:
            self._feed_transaction(server, Received(message))
        elif message.method == "ACK":
            self._ask(message, source)
        else:
            server = server_transaction(message, TIMERS)
            self._servers[server] = message
            self._layer.add_server(server)
            self._feed_transaction(server, Received(message))

    def _feed_transaction(self, transaction: _Transaction, event: TransactionInput) -> None:
        if transaction in self._clients or transaction in self._servers:
            asked = None
            if isinstance(transaction, ClientTransaction):
                asked = self._clients[transaction]
            for effect in transaction.handle(event, self._network.now):
                self._perform_transaction(effect, transaction, asked)

    def _perform_transaction(
        self, effect: Effect, transaction: _Transaction, asked: OutgoingRequest | None
    ) -> None:
        match effect:
            case Send(message):
                to = (
                    response_destination(top_via(message))
                    if isinstance(message, SipResponse)
                    else self._network.peer_of(self).address
                )
                self._network.send(self, message, to)
            case Terminated():
                self._layer.remove(transaction)
                if isinstance(transaction, ClientTransaction):
                    del self._clients[transaction]
                else:
                    del self._servers[transaction]
            case Deliver(SipResponse() as response) if asked is not None:
                self.feed(GotResponse(asked, response))
            case Deliver(SipRequest() as request):
                self._ask(request, self._network.peer_of(self).address)
            case Fail(reason) if asked is not None:
                self.feed(RequestFailed(asked, reason))

    def _respond(self, transaction: ServerTransaction, response: SipResponse) -> None:
        request = self._servers[transaction]
        if response.status_code >= 200:
            branch = f"{request.method} {top_via(request).branch}"
            statuses = self.finals.setdefault(branch, [])
            if not (statuses and response.status_code == 200):  # a 2xx is retransmitted by its user
                statuses.append(response.status_code)
        self._feed_transaction(transaction, Respond(response))

    # Requests, as telephony.gateway has them

    def _ask(self, request: SipRequest, source: Address) -> None:
        if request.method == "CANCEL":
            self._got_cancel(request)
            return
        dialog = dialog_id(request)
        known = self.machine.dialogs if self.machine and not self.machine.over else ()
        if dialog in {each.id for each in known}:
            self.feed(GotRequest(request))
        elif request.method == "INVITE" and not dialog.local_tag:
            self._arrive(request, source)
        elif request.method != "ACK":
            self._reply(Reply(request, 481))

    def _arrive(self, invite: SipRequest, source: Address) -> None:
        if self.machine is not None:
            self._reply(Reply(invite, 482))
            return
        self.machine = InboundLeg(
            invite,
            local_tag=self.name,
            source=source,
            timers=TIMERS,
            now=self._network.now,
            session=SESSION,
            seed=2,
        )

    def _got_cancel(self, cancel: SipRequest) -> None:
        transaction = next(each for each, request in self._servers.items() if request is cancel)
        invite = self._layer.cancelled_by(cancel)
        self._respond(transaction, make_response(cancel, 481 if invite is None else 200))
        if invite is not None and invite.state == "proceeding":
            self.feed(GotCancel(self._servers[invite]))


class Network:
    """A caller, a called, the link between them and their common clock.

    Args:
        offer: whether the caller's INVITE has an offer.

    Attributes:
        fates: one for each datagram to come, in order of sending; `PERFECT` when they run out.
        wire: every datagram, as ``name: first line``.
    """

    def __init__(self, *, offer: bool = True) -> None:
        self.now = 0.0
        self.fates: deque[Fate] = deque()
        self.wire: list[str] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self.caller = Side("caller", CALLER, self)
        self.called = Side("called", CALLED, self)
        invite = OutgoingRequest(
            method="INVITE",
            uri="sip:called@127.0.0.1:5062",
            destination=CALLED,
            from_="<sip:caller@127.0.0.1:5061>;tag=caller",
            to="<sip:called@127.0.0.1:5062>",
            call_id="one-call",
            cseq=1,
            sdp=self.caller.describe() if offer else None,
            headers=(("Allow", "INVITE, UPDATE, PRACK"), ("Supported", "100rel, timer")),
        )
        leg = OutboundLeg(invite, timers=TIMERS, session=SESSION, seed=1)
        self.caller.machine = leg
        self.caller.perform(leg.start())

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.caller, self.called

    def peer_of(self, side: Side) -> Side:
        return self.called if side is self.caller else self.caller

    def send(self, sender: Side, message: SipRequest | SipResponse, to: Address) -> None:
        data = bytes(message)
        self.wire.append(f"{self.now:7.2f} {sender.name}: {data.splitlines()[0].decode()}")
        receiver = next(side for side in self.sides if side.address == to)
        for delay in self.fates.popleft() if self.fates else PERFECT:
            self._serial += 1
            arrive = (self.now + delay, self._serial, self._arrival(receiver, data, sender))
            heapq.heappush(self._agenda, arrive)

    @staticmethod
    def _arrival(receiver: Side, data: bytes, sender: Side) -> Callable[[], None]:
        return lambda: receiver.receive(data, sender.address)

    def run(self, seconds: float) -> None:
        """Let everything happen that is due within so many seconds."""
        end = self.now + seconds
        while (at := self._next()) is not None and at <= end:
            self.now = max(self.now, at)
            if self._agenda and self._agenda[0][0] <= self.now:
                heapq.heappop(self._agenda)[2]()
            for side in self.sides:
                side.time_passed()
        self.now = end

    def _next(self) -> float | None:
        times = [side.deadline for side in self.sides]
        if self._agenda:
            times.append(self._agenda[0][0])
        return min((at for at in times if at is not None), default=None)

    def finish(self) -> None:
        """Let both owners hang up, and everything come to rest."""
        self.fates.clear()
        for side in (self.called, self.caller):
            side.patient = False
            side.feed(HangUp())
        self.run(1000)


def check_end(network: Network) -> None:
    """Check what must hold when all is over."""
    for side in network.sides:
        if side.machine is None:
            continue  # no INVITE ever came through
        assert side.over, f"{side.name} is not over"
        kinds = [type(event) for event in side.events]
        assert kinds.count(LegEnded) == 1, f"{side.name}: {side.events}"
        assert kinds[-1] is LegEnded
        assert side.machine.deadline is None
        assert side.transactions == 0, f"{side.name} has transactions left"
        check_finals(side)


def check_finals(side: Side) -> None:
    """Check that no request got two final responses."""
    for request, statuses in side.finals.items():
        assert len(statuses) == 1, f"{side.name} answered {request} with {statuses}"


def count(wire: Iterable[str], what: str) -> int:
    """Count the datagrams whose first line begins so."""
    return Counter(line.split(": ", 1)[1].startswith(what) for line in wire)[True]
