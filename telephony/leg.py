"""One party of a call, as its owner sees it: the shell of the INVITE machines.

It feeds `InboundLeg` or `OutboundLeg`, writes their effects to the endpoint and keeps one timer.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import structlog
from aiosipua import SipRequest, SipResponse

from telephony.endpoint import ClientTransactionHandle, IncomingRequest, SipEndpoint
from telephony.sip.dialog import DialogId, OutgoingRequest
from telephony.sip.errors import LocalProtocolError, TransactionFailure
from telephony.sip.hop import Destination
from telephony.sip.hunting_leg import HuntingLeg
from telephony.sip.identity import NOBODY, Forwarding, Identity
from telephony.sip.inbound_leg import InboundLeg
from telephony.sip.invite_usage import (
    HIGHEST_STATUS,
    LOWEST_REFUSAL,
    Answer,
    AnswerRefer,
    Attempt,
    GotCancel,
    GotRequest,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    PickUp,
    Refuse,
    Reoffer,
    Reply,
    Report,
    ReportRefer,
    RequestFailed,
    Ring,
    SendAck,
    SendCancel,
    SendRequest,
    Tell,
    TimePassed,
    write_reply,
)
from telephony.sip.leg_events import (
    LegAnswered,
    LegConfirmed,
    LegDigit,
    LegEnded,
    LegEvent,
    LegHeld,
    LegReanswered,
    LegReferred,
    LegReoffered,
    LegReofferRefused,
    LegResumed,
    LegRinging,
)
from telephony.sip.message import FINAL, MAX_FORWARDS, TRYING
from telephony.sip.outbound_leg import OutboundLeg
from telephony.sip.via import Address

__all__ = [
    "Address",
    "Leg",
    "LegAnswered",
    "LegConfirmed",
    "LegDigit",
    "LegEnded",
    "LegEvent",
    "LegHeld",
    "LegReanswered",
    "LegReferred",
    "LegReofferRefused",
    "LegReoffered",
    "LegResumed",
    "LegRinging",
    "LegWire",
]

log = structlog.get_logger(__name__)

_DESCRIBING = LegAnswered | LegConfirmed | LegReoffered | LegReanswered


@dataclass(frozen=True, slots=True)
class LegWire:
    """What a leg needs of its gateway.

    Attributes:
        endpoint: sends and receives.
        contact: our URI, for Contact, as a peer there reaches us, by the Request-URI it goes with.
        product: our name, for User-Agent and Server.
        on_change: told after every step: the leg's dialogs or its being over may have changed.
        on_attempt: told which trunk a call of ours tries, and what came of it.
    """

    endpoint: SipEndpoint
    contact: Callable[[Destination, str], str]
    product: str
    on_change: Callable[["Leg"], None]
    on_attempt: Callable[["Leg", Attempt], None] = lambda _leg, _attempt: None


def _unowned(event: LegEvent) -> None:
    log.error("leg_event_without_owner", told=type(event).__name__)


@dataclass(eq=False, kw_only=True)
class Leg:
    """A leg: made by the gateway, owned by whoever got it from there.

    Every method may be called at any moment, also late: what no longer applies is ignored.

    Attributes:
        id: ours, opaque, unique.
        direction: ``inbound`` (they called us) or ``outbound``.
        sip_call_id: the Call-ID header.
        caller: inbound: the number that may be shown; None when withheld. Outbound: the one shown.
        called: inbound: user part of the Request-URI; outbound: what was called.
        source: the peer's signalling address.
        hops_left: inbound: how many hops a call that is made for this one may take (RFC 7332).
        trunk: the trunk that it came by, or goes by at the moment; None for a phone.
        identity: inbound: who calls, also when he withholds his number: for the record alone.
        forwardings: inbound: whom the call was meant for before, oldest first.
        reference: inbound, from a trunk: the caller's side's own number of the matter.
        account: inbound: the agent whose phone calls, proven by his credentials; None: a trunk's.
        replaces: inbound: the leg that the peer wants to take the place of (RFC 3891).
        remote_sdp: the peer's latest session description; None before there is one.
        on_event: called with every LegEvent, in order, one at a time: a method of the leg that is
            called from within takes effect after it returns. Assign it in ``on_call``.
    """

    id: str
    direction: Literal["inbound", "outbound"]
    sip_call_id: str
    caller: str | None = field(repr=False)  # a log shows no numbers
    called: str
    source: Address
    identity: Identity = field(default=NOBODY, repr=False)
    forwardings: tuple[Forwarding, ...] = field(default=(), repr=False)
    reference: str | None = None
    account: str | None = None
    replaces: "Leg | None" = field(default=None, repr=False)
    remote_sdp: str | None = field(default=None, repr=False)
    trunk: str | None = None
    hops_left: int = MAX_FORWARDS
    on_event: Callable[[LegEvent], None] = _unowned
    machine: InboundLeg | OutboundLeg | HuntingLeg = field(repr=False)
    wire: LegWire = field(repr=False)

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._inputs: deque[LegInput] = deque()
        self._answered = False
        self._working = False
        self._timer: asyncio.TimerHandle | None = None
        self._incoming: dict[int, IncomingRequest] = {}  # by identity of the request
        self._invites: dict[int, ClientTransactionHandle] = {}  # by CSeq number

    @property
    def over(self) -> bool:
        """Whether LegEnded has been told, or is being told."""
        return self.machine.over

    @property
    def answered(self) -> bool:
        """Whether the INVITE was answered, by us or by the peer."""
        return self._answered

    @property
    def dialog_ids(self) -> tuple[DialogId, ...]:
        """The leg's dialogs: none at first, several while a forked INVITE rings."""
        return tuple(dialog.id for dialog in self.machine.dialogs)

    # The owner's wishes

    def ring(self, status: int = 180, *, sdp: str | None = None) -> None:
        """Say what goes on before the answer, and again every minute (RFC 3261 §13.3.1.1).

        Sent reliably to whoever understands that (RFC 3262). Later calls replace earlier ones.

        Args:
            status: 180 (alerting), 181, 182 (queued), 183 (progress).
            sdp: early media: our answer, which is then also the one in `answer`; for an INVITE
                without an offer our offer, whose answer comes as LegReanswered, or is left out
                where the caller knows no reliable provisional responses.

        Raises:
            LocalProtocolError: the leg is outbound, or the status is not provisional.
        """
        if self.direction == "outbound":
            raise LocalProtocolError("only an inbound leg rings")
        if not TRYING < status < FINAL:
            raise LocalProtocolError(f"{status} is not a provisional status")
        self.feed(Ring(status, sdp))

    def answer(self, sdp: str) -> None:
        """Answer the LegReoffered (or offering LegAnswered) that waits, else the INVITE with 200.

        It is an offer if the INVITE had none. Early media that described something else is kept
        in the 200, and this is offered right after it.
        """
        self._answered = True
        self.feed(Answer(sdp))

    def reoffer(self, sdp: str | None) -> None:
        """Offer another session by re-INVITE (before the answer: by UPDATE), or ask for an offer.

        It is done as soon as the protocol allows, and again when the two sides' offers crossed;
        the latest wish counts. LegReanswered or LegReofferRefused follows; after ``reoffer(None)``
        LegReoffered, to be answered.
        """
        self.feed(Reoffer(sdp))

    def update(self, sdp: str) -> None:
        """Offer another session by UPDATE (RFC 3311), by re-INVITE if the peer knows none.

        Unlike a re-INVITE it is answered at once, and so needs no consent of a person.
        """
        self.feed(Reoffer(sdp, "UPDATE"))

    def refuse(self, status: int, reason: str | None = None) -> None:
        """Refuse an INVITE not yet answered, or a LegReoffered (whose session goes on unchanged).

        Raises:
            LocalProtocolError: the status is not one of 300-699.
        """
        if not LOWEST_REFUSAL <= status <= HIGHEST_STATUS:
            raise LocalProtocolError(f"{status} is not a refusal")
        self.feed(Refuse(status, reason))

    def hang_up(self, reason: str | None = None, *, cause: int | None = None) -> None:
        """End it, whatever its state: refuse with 480, CANCEL or BYE. LegEnded follows.

        ``reason`` comes back in LegEnded; with ``cause``, a SIP status, the peer is told both in a
        Reason header (RFC 3326). Idempotent.
        """
        self.feed(HangUp(reason, cause))

    def pick_up(self) -> None:
        """Have the called phone answer, if it can be told to (``LegRinging.picks_up``)."""
        self.feed(PickUp())

    def answer_refer(self, status: int, reason: str | None = None) -> None:
        """Answer the LegReferred that waits: 202, or a refusal of 300-699."""
        self.feed(AnswerRefer(status, reason))

    def report_refer(self, status: int, reason: str | None = None) -> None:
        """Tell the peer how the call that its REFER asked for is going; a final status is last."""
        self.feed(ReportRefer(status, reason))

    # The gateway's

    def start(self) -> None:
        """Send the INVITE of an outbound leg."""
        if isinstance(self.machine, OutboundLeg):
            self._perform_all(self.machine.start())
        elif isinstance(self.machine, HuntingLeg):
            self._perform_all(self.machine.start(self._loop.time()))

    def receive(self, incoming: IncomingRequest) -> None:
        """Take a request in this leg's dialog, or the INVITE that made it (which is not fed)."""
        request = incoming.request
        if request.method != "ACK":
            self._incoming[id(request)] = incoming
            incoming.on_terminated = partial(self._forget, request)
        if request.method == "INVITE":
            incoming.on_cancel = lambda _cancel: self.feed(GotCancel(request))
        if not isinstance(self.machine, InboundLeg) or request is not self.machine.invite:
            self.feed(GotRequest(request))

    def _forget(self, request: SipRequest) -> None:
        self._incoming.pop(id(request), None)

    def abandon(self) -> None:
        """End the leg without a word to the peer: the gateway closes."""
        if not self.machine.over:
            self.machine.over = True
            self._settle()
            self._tell(LegEnded("local", None, "closed"))

    def feed(self, event: LegInput) -> None:
        """Give the machine an input and do what it says; inputs that come meanwhile wait."""
        self._inputs.append(event)
        if self._working:
            return
        self._working = True
        try:
            while self._inputs:
                self._perform_all(self.machine.handle(self._inputs.popleft(), self._loop.time()))
        finally:
            self._working = False

    # Effects

    def _perform_all(self, effects: list[LegEffect]) -> None:
        # first, so that whoever is told finds the gateway's books and the timer in order
        self._settle()
        for effect in effects:
            self._perform(effect)

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = None if self.machine.over else self.machine.deadline
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self.feed, TimePassed())
        self.wire.on_change(self)

    def _perform(self, effect: LegEffect) -> None:
        match effect:
            case Reply():
                self._reply(effect)
            case SendRequest(request):
                handle = self.wire.endpoint.send_request(
                    self._write(request),
                    request.destination,
                    on_response=partial(self._got_response, request),
                    on_failure=partial(self._request_failed, request),
                )
                if request.method == "INVITE":
                    self._invites[request.cseq] = handle
            case SendAck(request):
                self.wire.endpoint.send_ack(self._write(request), request.destination)
            case SendCancel(invite, headers):
                if (sent := self._invites.get(invite.cseq)) is not None:
                    self.wire.endpoint.cancel(sent, headers)
            case Tell(event):
                self._tell(event)
            case Report(attempt):
                self.wire.on_attempt(self, attempt)

    def _reply(self, reply: Reply) -> None:
        incoming = self._incoming.get(id(reply.to))
        if incoming is None:
            return  # its transaction is over: nobody waits for this
        tag = self.machine.dialog.local_tag if self.machine.dialog else ""
        contact = self.wire.contact(incoming.hop, reply.to.uri) if reply.names_contact else None
        incoming.respond(
            write_reply(
                reply,
                local_tag=tag,
                contact=contact,
                headers=(("Server", self.wire.product),),
            )
        )

    def _write(self, request: OutgoingRequest) -> SipRequest:
        names = request.names_contact
        contact = self.wire.contact(request.destination, request.uri) if names else None
        message = request.to_message(contact=contact)
        message.headers.append("User-Agent", self.wire.product)
        return message

    def _tell(self, event: LegEvent) -> None:
        if isinstance(event, _DESCRIBING) and event.sdp is not None:
            self.remote_sdp = event.sdp
        if isinstance(event, LegAnswered):
            self._answered = True
        try:
            self.on_event(event)
        except Exception:
            # The owner's mistake must not leave the peer without the messages that follow.
            log.exception("leg_owner_failed", leg=self.id, told=type(event).__name__)
        if isinstance(event, LegEnded):
            # The INVITE's transaction knows us for half a minute more (RFC 6026: 64*T1); whatever
            # our owner holds of the call need not stay in memory for so long.
            self.on_event = _unowned

    # Answers to our requests

    def _got_response(self, request: OutgoingRequest, response: SipResponse) -> None:
        self.feed(GotResponse(request, response))

    def _request_failed(self, request: OutgoingRequest, cause: TransactionFailure) -> None:
        self.feed(RequestFailed(request, cause))
