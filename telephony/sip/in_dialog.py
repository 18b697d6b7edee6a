"""An INVITE's dialog, early or confirmed: the same for whoever called.

Offers and answers after the first (RFC 3261 §14, RFC 3311), the ACK (§13.3.1.4), the session timer
(RFC 4028) and BYE (§15). How a dialog comes about is `InboundLeg`'s and `OutboundLeg`'s matter.
"""

from dataclasses import dataclass, replace

from aiosipua import SipMessage, SipRequest, SipResponse

from telephony.sip.bodies import READ, is_unreadable, sdp_of
from telephony.sip.dialog import Dialog, OutgoingRequest
from telephony.sip.identity import reason_header, reason_of
from telephony.sip.invite_usage import (
    Answer,
    AnswerRefer,
    GotCancel,
    GotRequest,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    Refuse,
    Reoffer,
    Reply,
    ReportRefer,
    RequestFailed,
    SendAck,
    SendRequest,
    Tell,
    TimePassed,
)
from telephony.sip.key_press import got_info
from telephony.sip.leg_events import (
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegHeld,
    LegReanswered,
    LegReoffered,
    LegReofferRefused,
    LegResumed,
)
from telephony.sip.message import FAILED, FINAL
from telephony.sip.negotiation import Negotiation
from telephony.sip.offer_answer import is_listening
from telephony.sip.referral import Referral
from telephony.sip.reoffering import Asked, Reoffering, Terms
from telephony.sip.session_timer import Headers, SessionTimer
from telephony.sip.unacked import UnackedAnswer

_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class _Ack:
    """The ACK of the peer's 2xx, which has to wait for the owner's answer to the offer in it."""

    invite: OutgoingRequest


@dataclass(frozen=True, slots=True)
class _Prack:
    """The PRACK of a provisional response with an offer; it waits alike."""

    rack: str


class InviteDialog:
    """The machine of one dialog, early at first.

    Args:
        dialog: whose state it keeps up to date.
        offer: what the INVITE offered, or None.
        terms: see `Terms`.

    Attributes:
        confirmed: a 2xx has been sent or received.
        over: it is done; nothing happens any more, but a late 2xx is acknowledged.
        negotiation: who offered and agreed to what.
        timer: the session timer.
        preview: the peer's description in an unreliable provisional response.
    """

    def __init__(self, dialog: Dialog, *, offer: str | None, terms: Terms) -> None:
        self.dialog = dialog
        self.confirmed = False
        self.over = False
        self.negotiation = Negotiation()
        self.timer = SessionTimer(terms.session)
        self.preview: str | None = None
        self._terms = terms
        self._reoffering = Reoffering(dialog, self.negotiation, self.timer, terms)
        self._unacked: UnackedAnswer | None = None
        self._question: SipRequest | _Ack | _Prack | None = None  # the owner's to answer
        self._answer_by: float | None = None
        self._acks: dict[int, OutgoingRequest] = {}  # of our INVITEs' 2xx, by CSeq
        self._pracks: set[OutgoingRequest] = set()  # not answered yet
        self._held = False
        self._referral = Referral(dialog)
        self._why: Headers = ()  # of our BYE
        self._ending: LegEnded | None = None  # what to tell when our BYE is through
        self._bye: OutgoingRequest | None = None
        if offer is not None:
            self.negotiation.propose(offer, whose="ours" if terms.calls else "theirs")

    @property
    def deadline(self) -> float | None:
        """When `handle` wants TimePassed."""
        times = [
            self._reoffering.retry_at,
            self.timer.deadline,
            self._referral.deadline,
            self._answer_by if self._question else None,
            self._unacked.deadline if self._unacked else None,
        ]
        return min((at for at in times if at is not None), default=None)

    @property
    def asks_owner(self) -> bool:
        """Whether an offer of the peer's waits for the owner."""
        return self._question is not None

    def handle(self, event: LegInput, now: float) -> list[LegEffect]:
        """Take one input, return what is to be done."""
        effects = self._handle(event, now)
        if not (self.over or self._unacked or self._question or self._ending):
            effects += self._reoffering.next(confirmed=self.confirmed)
        return effects

    def _handle(  # noqa: C901, PLR0911, PLR0912 - a table: one line for each input
        self, event: LegInput, now: float
    ) -> list[LegEffect]:
        asked = self._reoffering.asked
        match event:
            case GotResponse(to, response) if to.method == "INVITE" and to.cseq in self._acks:
                return self._acknowledge_again(to, response)
            case GotResponse(to, response) if asked and to == asked.request:
                return self._got_response(asked, response, now)
            case _ if self.over:
                return []
            case HangUp(reason, cause):
                if cause is not None:
                    self._why = (reason_header(cause, reason or ""),)
                return self.end_with(LegEnded("local", None, reason))
            case AnswerRefer() | ReportRefer():
                return self._referral.wished(event, now)
            case Answer(sdp):
                return self._answer(sdp, now)
            case Refuse(status, reason):
                return self._decline(status, reason)
            case Reoffer() if self._ending is None:
                self._reoffering.want(event)
                return []
            case GotCancel(invite) if self._question is invite:
                return self._decline(487, None)
            case GotRequest(request):
                return self._got_request(request, now)
            case GotResponse(to, response) if to == self._bye and response.status_code >= FINAL:
                return self._bye_answered(response)
            case RequestFailed(to, _) if to == self._bye:
                # §15.1.1: the session is over for us whether or not the peer heard of it
                return self._end()
            case RequestFailed(to, cause) if asked and to == asked.request:
                return self._nobody_there(asked, 408, cause)
            case GotResponse(to, response) if to in self._pracks:
                return self._prack_answered(to, response)
            case GotResponse() | RequestFailed():
                return self._referral.answered(event, now)
            case TimePassed():
                return [*self._referral.time_passed(now), *self._time_passed(now)]
            case _:
                return []

    # How it begins

    def learn(self, message: SipMessage) -> None:
        """Note what the peer says that it allows."""
        self._reoffering.learn(message)

    def got_reliable(self, response: SipResponse, rack: str) -> list[LegEffect]:
        """Take a provisional response that wants a PRACK (RFC 3262 §5)."""
        sdp, negotiation = sdp_of(response), self.negotiation
        if sdp is not None and negotiation.local is None:
            if negotiation.pending == "ours":
                negotiation.accept(sdp)
            elif negotiation.pending is None:
                # "If the UAC receives a reliable provisional response with an offer … it MUST
                # generate an answer in the PRACK"
                negotiation.propose(sdp, whose="theirs")
                self._question, self._answer_by = _Prack(rack), None
                return [Tell(LegReoffered(sdp))]
        return [self._prack(rack, None), *self.hold_changes()]

    def _prack(self, rack: str, sdp: str | None) -> SendRequest:
        return self._send_prack(replace(self.dialog.request("PRACK", [("RAck", rack)]), sdp=sdp))

    def _send_prack(self, prack: OutgoingRequest) -> SendRequest:
        self._pracks.add(prack)
        return SendRequest(prack)

    def _prack_answered(self, prack: OutgoingRequest, response: SipResponse) -> list[LegEffect]:
        """Prove who we are where a PRACK needs that; any other refusal shows in the INVITE's."""
        if response.status_code < FINAL:
            return []
        self._pracks.discard(prack)
        again = self._terms.digest.answer(prack, response)
        return [self._send_prack(self.dialog.renumbered(again))] if again else []

    def answered(self, reply: Reply, now: float) -> None:
        """Note that we have accepted the INVITE with this 2xx, sent just now."""
        self.confirmed = True
        self._unacked = self._unacknowledged(reply, now, first=True)

    def accepted(
        self,
        response: SipResponse,
        *,
        invite: OutgoingRequest,
        ending: LegEnded | None,
        now: float,
    ) -> list[LegEffect]:
        """Take the peer's 2xx to our INVITE; with ``ending`` only to hang up at once."""
        self.confirmed = True
        self.dialog.confirm(response)
        self.learn(response)
        self.timer.agreed(response, now)
        sdp, negotiation = sdp_of(response), self.negotiation
        if ending is not None:
            return [*self._acknowledge(invite), *self.end_with(ending)]
        if negotiation.local is None and negotiation.pending is None and sdp is not None:
            negotiation.propose(sdp, whose="theirs")
            self._question, self._answer_by = _Ack(invite), None
            return [Tell(LegAnswered(sdp, offered=True))]
        if negotiation.local is None and negotiation.pending == "ours":
            # RFC 6337 §3.1: what came before unreliably was a preview of the answer
            sdp = sdp or self.preview
            if sdp is not None:
                negotiation.accept(sdp)
        remote = negotiation.remote or (negotiation.offer if self._question else None)
        if remote is None:
            failed = LegEnded("failure", 488, "answered without a session description")
            return [*self._acknowledge(invite), *self.end_with(failed)]
        told = LegAnswered(remote, offered=self._question is not None)
        return [*self._acknowledge(invite), Tell(told), *self.hold_changes()]

    def _acknowledge(self, invite: OutgoingRequest, sdp: str | None = None) -> list[LegEffect]:
        ack = self._acks[invite.cseq] = replace(self.dialog.ack(invite), sdp=sdp)
        return [SendAck(ack)]

    def _acknowledge_again(self, to: OutgoingRequest, response: SipResponse) -> list[LegEffect]:
        """Answer a repeated 2xx (§13.2.2.4): "the ACK MUST be passed … every time"."""
        success = FINAL <= response.status_code < FAILED
        return [SendAck(self._acks[to.cseq])] if success else []

    # The end

    def end_with(self, ending: LegEnded) -> list[LegEffect]:
        """Say BYE as soon as the protocol allows, and tell this when it is through."""
        if self._ending is not None:
            return []
        self._ending = ending
        effects = self.let_go()
        # §15: "the callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an
        # ACK for its 2xx response or until the server transaction times out."
        if self._unacked is None:
            effects += self._send_bye()
        return effects

    def let_go(self) -> list[LegEffect]:
        """Want nothing more of the peer, and leave none of its requests without an answer."""
        self._reoffering.forget()
        self.timer.stop()
        return [*self._decline(487, None), *self._referral.end()]

    def _send_bye(self) -> list[LegEffect]:
        self._bye = self.dialog.request("BYE", self._why)
        return [SendRequest(self._bye)]

    def _bye_answered(self, response: SipResponse) -> list[LegEffect]:
        again = self._bye and self._terms.digest.answer(self._bye, response)
        if not again:
            return self._end()
        self._bye = self.dialog.renumbered(again)
        return [SendRequest(self._bye)]

    def _end(self, ended: LegEnded | None = None) -> list[LegEffect]:
        self.over = True
        self._unacked = None
        effects = self.let_go()
        return [*effects, Tell(ended or self._ending or LegEnded("local"))]

    def _nobody_there(self, asked: Asked, status: int, reason: str | None) -> list[LegEffect]:
        """§12.2.1.2: 481, 408 or no response at all: "the UAC SHOULD terminate the dialog"."""
        self._reoffering.failed()
        if not self.confirmed:
            # an early dialog ends with its INVITE; nothing else could end it
            return [Tell(LegReofferRefused(status, reason))] if asked.wish else []
        return self.end_with(LegEnded("failure", status, reason))

    # The owner's answer to an offer

    def _answer(self, sdp: str, now: float) -> list[LegEffect]:
        question, self._question = self._question, None
        if question is None:
            return []
        if self.negotiation.pending == "theirs":
            self.negotiation.accept(sdp)
        else:  # the question was a re-INVITE without an offer: this is ours
            self.negotiation.propose(sdp, whose="ours")
        match question:
            case _Ack(invite):
                effects = self._acknowledge(invite, sdp)
            case _Prack(rack):
                effects = [self._prack(rack, sdp)]
            case SipRequest():
                effects = self._accept(question, sdp, now)
        return effects + self.hold_changes()

    def _accept(self, request: SipRequest, sdp: str | None, now: float) -> list[LegEffect]:
        headers: Headers = ()
        if self.confirmed and request.method in {"INVITE", "UPDATE"}:
            headers = self.timer.response_headers(request, now)
        reply = Reply(request, 200, sdp=sdp, headers=headers)
        if request.method == "INVITE":
            self._unacked = self._unacknowledged(reply, now, first=False)
        return [reply]

    def _unacknowledged(self, reply: Reply, now: float, *, first: bool) -> UnackedAnswer:
        # an offer of ours may also be on its way in an early UPDATE, and this 2xx hold none
        offers = reply.sdp is not None and self.negotiation.pending == "ours"
        return UnackedAnswer(reply, first=first, offers=offers, timers=self._terms.timers, now=now)

    def _decline(self, status: int, reason: str | None) -> list[LegEffect]:
        question, self._question = self._question, None
        if question is None:
            return []
        self.negotiation.drop()
        match question:
            case _Ack(invite):
                # an ACK refuses nothing: without its answer there is no session
                failed = LegEnded("failure", status, reason or "the offer was refused")
                effects = self._acknowledge(invite)
                return effects if self._ending else effects + self.end_with(failed)
            case _Prack(rack):
                return [self._prack(rack, None)]
            case SipRequest():
                return [Reply(question, status, reason)]

    def hold_changes(self) -> list[LegEffect]:
        """Tell when the peer begins or ceases to want to hear us."""
        if not self.negotiation.agreed:
            return []
        held = not is_listening(self.negotiation.remote or "")
        ours = self.negotiation.offered_by == "ours"
        if held and ours and not _is_sending(self.negotiation.local or ""):
            return []  # it only agrees to our own hold
        before, self._held = self._held, held
        return [] if held == before else [Tell(LegHeld() if held else LegResumed())]

    # The peer's requests

    def _got_request(  # noqa: PLR0911 - a table: one line for each method
        self, request: SipRequest, now: float
    ) -> list[LegEffect]:
        if request.method == "ACK":
            return self._got_ack(request)
        if not self.dialog.in_order(request):
            return [Reply(request, 500)]
        match request.method:
            case "BYE":
                return self._got_bye(request)
            case "INVITE" | "UPDATE":
                return self._got_offer(request, now)
            case "REFER" | "SUBSCRIBE" if self.confirmed and self._ending is None:
                return self._referral.got_request(request, now)
            case "INFO":
                return got_info(request)
            case "OPTIONS":
                return [Reply(request, 200)]  # §11.2: it leaves the session as it is
            case _:
                # PRACK: RFC 3262 §3, it matches no response of ours. A REFER of a call that is not
                # there yet or that is ending, or a NOTIFY that nobody asked for.
                return [Reply(request, 481)]

    def _got_ack(self, ack: SipRequest) -> list[LegEffect]:
        waiting = self._unacked
        if waiting is None or not waiting.is_acknowledged_by(ack):
            return []
        self._unacked = None
        sdp = sdp_of(ack) if waiting.offers else None
        if sdp is not None:
            self.negotiation.accept(sdp)
        elif waiting.offers:
            self.negotiation.drop()
        if self._ending is not None:
            return self._send_bye()
        if waiting.offers and sdp is None and waiting.first:
            # §13.2.1: the answer "MUST be placed in the ACK"; without it there is no session
            return self.end_with(LegEnded("failure", None, "ACK without a session description"))
        told = [Tell(LegConfirmed(sdp))] if waiting.first or sdp is not None else []
        return [*told, *self.hold_changes()]

    def _got_bye(self, bye: SipRequest) -> list[LegEffect]:
        ended = self._ending or LegEnded("remote", None, reason_of(bye))
        # §15.1.2: "MUST still respond to any pending requests received for that dialog"
        return [*self.let_go(), Reply(bye, 200), *self._end(ended)]

    def _got_offer(self, request: SipRequest, now: float) -> list[LegEffect]:
        """Take a re-INVITE (§14.2) or an UPDATE (RFC 3311 §5.2)."""
        sdp = sdp_of(request)
        objection = self._objection(request, sdp)
        if objection is not None:
            return [objection]
        self.dialog.refresh_target(request)
        self.learn(request)
        if sdp is not None:
            return self._put_to_owner(request, sdp, now)
        if request.method == "UPDATE":
            return self._accept(request, None, now)
        # our last description may mirror the peer's hold: what we offer now is the owner's to say
        self._question, self._answer_by = request, None
        return [Tell(LegReoffered(None))]

    def offered_in(self, prack: SipRequest, sdp: str, now: float) -> list[LegEffect]:
        """Take an offer in a PRACK, once the first one has been answered (RFC 3262 §5)."""
        status = 491 if self._question else self.negotiation.objection()
        if status is not None:
            return [self._not_now(prack, status)]
        return self._put_to_owner(prack, sdp, now)

    def _put_to_owner(self, request: SipRequest, sdp: str, now: float) -> list[LegEffect]:
        self.negotiation.propose(sdp, whose="theirs")
        self._question = request
        # RFC 3311 §5.2: an UPDATE that a person would have to consent to gets 504; its transaction
        # ends after 64*T1, and its sender must know by then
        patience = self._terms.timers.give_up / 4
        self._answer_by = None if request.method == "INVITE" else now + patience
        return [Tell(LegReoffered(sdp))]

    def _objection(self, request: SipRequest, sdp: str | None) -> Reply | None:
        invite = request.method == "INVITE"
        if self._bye is not None:
            return Reply(request, 481)
        if isinstance(self._question, SipRequest) and (invite or sdp is not None):
            # §14.2: "a second INVITE before it sends the final response to a first" gets 500
            return self._not_now(request, _SERVER_ERROR)
        if invite and (
            self._unacked or self._question or self._reoffering.is_inviting or self._ending
        ):
            return Reply(request, 491)  # §14.2: "while an INVITE … that it had sent is in progress"
        if sdp is not None or invite:
            # the offer that a re-INVITE of ours has asked for counts as open
            busy = self._ending or self._reoffering.awaits_offer
            status = 491 if busy else self.negotiation.objection()
            if status is not None:
                return self._not_now(request, status)
        if is_unreadable(request):
            return Reply(request, 415, headers=(READ,))
        return self.timer.objection(request)

    def _not_now(self, request: SipRequest, status: int) -> Reply:
        """Refuse an offer for the moment; a 500 says when it may come again."""
        later = self._terms.later() if status == _SERVER_ERROR else ()
        return Reply(request, status, headers=later)

    # Answers to our requests

    def _got_response(self, asked: Asked, response: SipResponse, now: float) -> list[LegEffect]:
        status = response.status_code
        if status < FINAL:
            return []
        success = status < FAILED
        if self.over or self._ending:
            self._reoffering.failed()
            invited = asked.request.method == "INVITE"
            return self._acknowledge(asked.request) if success and invited else []
        if success:
            return self._agreed(asked, response, now)
        if status in {408, 481}:
            return self._nobody_there(asked, status, response.reason_phrase or None)
        return self._reoffering.refused(asked, response, now)

    def _agreed(self, asked: Asked, response: SipResponse, now: float) -> list[LegEffect]:
        sdp, request, negotiation = sdp_of(response), asked.request, self.negotiation
        if request.sdp is not None and sdp is None:
            self._reoffering.withdraw()
        self._reoffering.agreed(response, now)
        self.dialog.refresh_target(response)
        self.learn(response)
        invited = request.method == "INVITE"
        if invited and request.sdp is None and sdp is not None:
            negotiation.propose(sdp, whose="theirs")
            self._question, self._answer_by = _Ack(request), None
            return [Tell(LegReoffered(sdp))]
        effects = self._acknowledge(request) if invited else []
        if request.sdp is not None and sdp is not None:
            changed = sdp != negotiation.remote
            negotiation.accept(sdp)
            if asked.wish or changed:
                effects.append(Tell(LegReanswered(sdp)))
        elif asked.wish:
            effects.append(Tell(LegReofferRefused(488, "answered without a session description")))
        return effects + self.hold_changes()

    # Time

    def _time_passed(self, now: float) -> list[LegEffect]:
        retry_at = self._reoffering.retry_at
        if retry_at is not None and now >= retry_at:
            self._reoffering.retry_at = None
        if self._question and self._answer_by is not None and now >= self._answer_by:
            return self._decline(504, None)
        if self.timer.time_passed(now):
            # RFC 4028 §10: "the UAS … SHOULD send a BYE before the session expiration"
            return self.end_with(LegEnded("failure", 408, "session expired"))
        if self._unacked is None:
            return []
        if not self._unacked.is_given_up(now):
            return [*self._unacked.time_passed(now)]
        # §13.3.1.4: "the dialog is confirmed, but the session SHOULD be terminated. This is
        # accomplished with a BYE". Nobody is there to answer it, so the end is told at once.
        self._unacked = None
        if self._ending is not None:
            return self._send_bye()
        return [*self.end_with(LegEnded("failure", 408, "no ACK")), *self._end()]


def _is_sending(sdp: str) -> bool:
    """Tell whether our own description lets the peer hear us."""
    return "a=recvonly" not in sdp and "a=inactive" not in sdp
