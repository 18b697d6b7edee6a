"""A call to us: from its INVITE to its end (RFC 3261 §13.3, §15; CANCEL §9.2)."""

from aiosipua import SipRequest

from telephony.sip.bodies import sdp_of
from telephony.sip.client_auth import DigestClient
from telephony.sip.dialog import Dialog
from telephony.sip.dice import Dice
from telephony.sip.errors import LocalProtocolError
from telephony.sip.hop import Destination
from telephony.sip.identity import reason_of
from telephony.sip.in_dialog import InviteDialog
from telephony.sip.invite_usage import (
    HIGHEST_STATUS,
    LOWEST_REFUSAL,
    Answer,
    GotCancel,
    GotRequest,
    HangUp,
    LegEffect,
    LegInput,
    Refuse,
    Reoffer,
    Reply,
    Ring,
    Tell,
    TimePassed,
)
from telephony.sip.leg_events import LegEnded, LegReanswered
from telephony.sip.message import TRYING
from telephony.sip.reliability import TAG as RELIABLE
from telephony.sip.reliability import ReliableResponses, lists
from telephony.sip.reoffering import Terms
from telephony.sip.session_timer import SessionPolicy
from telephony.sip.transaction import Timers

# §13.3.1.1: "the UAS … SHOULD send a non-100 provisional response at every minute, to handle the
# possibility of lost provisional responses" and to keep proxies from cancelling.
RING_AGAIN = 60.0
_HIGHEST_FIRST_RSEQ = 2**31 - 1  # RFC 3262 §3


class InboundLeg:
    """The machine of an incoming call. LegEnded is its last Tell, and comes exactly once.

    Args:
        invite: an initial INVITE.
        local_tag: our tag, fresh.
        source: where the INVITE came from.
        timers: the base intervals.
        now: monotonic seconds.
        session: the session timer's policy; None: no session timer.
        seed: of what has to look random: the first RSeq, the waits after 491.

    Attributes:
        invite: that INVITE.
        objection: the refusal that this INVITE deserves at once (422), in place of a leg; or None.

    Raises:
        AddressError: the INVITE's From, To or Contact is unusable.
    """

    def __init__(
        self,
        invite: SipRequest,
        *,
        local_tag: str,
        source: Destination,
        timers: Timers,
        now: float,
        session: SessionPolicy | None = None,
        seed: int = 0,
    ) -> None:
        self.invite = invite
        self.dialog: Dialog | None = Dialog.as_uas(invite, local_tag=local_tag, source=source)
        self.local_tag = self.dialog.local_tag
        self.over = False
        dice = Dice(seed)
        self._terms = Terms(timers, session, dice, DigestClient(None, ""), calls=False)
        self._usage = InviteDialog(self.dialog, offer=sdp_of(invite), terms=self._terms)
        self._usage.learn(invite)
        self._early = self.dialog
        rseq = dice.between(1, _HIGHEST_FIRST_RSEQ)
        self._reliable = ReliableResponses(invite, first=rseq, timers=timers)
        self._can_prack = lists(invite, "Supported", RELIABLE) or lists(invite, "Require", RELIABLE)
        self._rung: Ring | None = None  # the latest
        self._ring_next: Ring | None = None  # waits for the PRACK of the one before
        self._ring_at: float | None = None
        self._expires_at = _expiry(invite, now)
        self._answer_next: str | None = None  # waits for a PRACK too
        self.objection = self._usage.timer.objection(invite)

    @property
    def dialogs(self) -> tuple[Dialog, ...]:
        """The leg's dialogs: one, from the beginning."""
        return (self._early,)

    @property
    def deadline(self) -> float | None:
        """When `handle` wants TimePassed; None: never."""
        if self.over:
            return None
        times = [self._usage.deadline]
        if not self._usage.confirmed:
            times += [self._ring_at, self._expires_at, self._reliable.deadline]
        return min((at for at in times if at is not None), default=None)

    def handle(self, event: LegInput, now: float) -> list[LegEffect]:
        """Take one input, return what is to be done.

        Raises:
            LocalProtocolError: a refusal with a status that refuses nothing, or ringing with one
                that is not provisional.
        """
        if isinstance(event, Refuse) and not LOWEST_REFUSAL <= event.status <= HIGHEST_STATUS:
            raise LocalProtocolError(f"{event.status} is not a refusal")
        if isinstance(event, Ring) and not TRYING < event.status < 200:  # noqa: PLR2004 - §21
            raise LocalProtocolError(f"{event.status} is not a provisional status")
        if isinstance(event, GotRequest) and event.request.method == "PRACK" and not self.over:
            return self._got_prack(event.request, now)
        if self._usage.confirmed:
            return self._in_usage(event, now)
        return [] if self.over else self._handle_early(event, now)

    def _in_usage(self, event: LegInput, now: float) -> list[LegEffect]:
        effects = self._usage.handle(event, now)
        self.over = self._usage.over
        return effects

    def _handle_early(  # noqa: PLR0911 - a table: one line for each input
        self, event: LegInput, now: float
    ) -> list[LegEffect]:
        match event:
            case Answer() | Refuse() if self._usage.asks_owner:
                return self._usage.handle(event, now)
            case Ring():
                return self._ring(event, now)
            case Answer(sdp):
                return self._answer(sdp, now)
            case Refuse(status, reason):
                return self._refuse(status, reason, LegEnded("local", status, reason))
            case HangUp(reason):
                return self._refuse(480, None, LegEnded("local", 480, reason))
            case GotCancel(invite) if invite is self.invite:
                return self._refuse(487, None, LegEnded("remote", 487, "cancelled"))
            case GotRequest(request):
                return self._got_request(request, now)
            case TimePassed():
                return self._time_passed(now)
            case _:
                return self._usage.handle(event, now)

    # Provisional responses

    def _ring(self, ring: Ring, now: float) -> list[LegEffect]:
        if self._answer_next is not None or ring == self._rung:
            return []
        if self._reliable.unacknowledged is not None:
            # RFC 3262 §3: "the UAS MUST NOT send a second reliable provisional response until the
            # first is acknowledged"
            self._ring_next = ring
            return []
        return self._send_ring(ring, now)

    def _send_ring(self, ring: Ring, now: float) -> list[LegEffect]:
        self._rung, self._ring_next, self._ring_at = ring, None, now + RING_AGAIN
        negotiation, sdp = self._usage.negotiation, ring.sdp
        if not self._can_prack:
            # an offer has to be in something reliable (§13.2.1); an answer may be previewed
            if negotiation.pending != "theirs":
                sdp = None
            self._usage.preview = sdp or self._usage.preview
            return [Reply(self.invite, ring.status, sdp=sdp)]
        if negotiation.local is not None or negotiation.pending == "ours":
            sdp = None  # RFC 6337 §3.1.1: no second offer or answer in the INVITE's responses
        elif sdp is not None and negotiation.pending == "theirs":
            negotiation.accept(sdp)
        elif sdp is not None:
            negotiation.propose(sdp, whose="ours")
        return [self._reliable.send(Reply(self.invite, ring.status, sdp=sdp), now)]

    def _got_prack(self, prack: SipRequest, now: float) -> list[LegEffect]:
        if not self._early.in_order(prack):
            return [Reply(prack, 500)]
        acknowledged = self._reliable.acknowledge(prack)
        if acknowledged is None:
            # §3: "If a PRACK request is received … that does not match any unacknowledged reliable
            # provisional response, the UAS MUST respond … with a 481"
            return [Reply(prack, 481)]
        effects = self._take_prack(prack, acknowledged, now)
        if self.over or self._usage.confirmed:
            return effects
        if self._answer_next is not None:
            sdp, self._answer_next = self._answer_next, None
            return effects + self._answer(sdp, now)
        if self._ring_next is not None:
            return effects + self._send_ring(self._ring_next, now)
        return effects

    def _take_prack(self, prack: SipRequest, acknowledged: Reply, now: float) -> list[LegEffect]:
        sdp, negotiation = sdp_of(prack), self._usage.negotiation
        if acknowledged.sdp is not None and negotiation.pending == "ours":
            if sdp is None:
                negotiation.drop()
                ended = LegEnded("failure", 488, "PRACK without a session description")
                return [Reply(prack, 200), *self._refuse(488, None, ended)]
            negotiation.accept(sdp)
            return [Reply(prack, 200), Tell(LegReanswered(sdp))]
        if sdp is None or self._usage.over:
            return [Reply(prack, 200)]
        return self._usage.offered_in(prack, sdp, now)

    # Final responses

    def _answer(self, sdp: str, now: float) -> list[LegEffect]:
        waiting = self._reliable.unacknowledged
        if waiting is not None and waiting.sdp is not None:
            # RFC 3262 §3: "it MUST NOT send the 2xx response until" what held a session
            # description has been acknowledged
            self._answer_next = sdp
            return []
        negotiation, usage = self._usage.negotiation, self._usage
        described: str | None = None
        if negotiation.pending == "theirs" and negotiation.local is None:
            described = usage.preview or sdp  # §13.2.1: "exactly the same answer"
            negotiation.accept(described)
        elif negotiation.pending is None and negotiation.local is None:
            described = sdp
            negotiation.propose(sdp, whose="ours")
        self._reliable.fall_silent()
        self._ring_at = self._expires_at = None
        headers = usage.timer.response_headers(self.invite, now)
        reply = Reply(self.invite, 200, sdp=described, headers=headers)
        usage.answered(reply, now)
        effects: list[LegEffect] = [reply]
        if sdp not in {described, negotiation.local}:
            # another one was agreed on before the answer: this one is offered after it
            effects += self._in_usage(Reoffer(sdp), now)
        return effects + usage.hold_changes()

    def _refuse(self, status: int, reason: str | None, ended: LegEnded) -> list[LegEffect]:
        self.over = True
        self._reliable.fall_silent()
        return [*self._usage.let_go(), Reply(self.invite, status, reason), Tell(ended)]

    # The peer and time

    def _got_request(self, request: SipRequest, now: float) -> list[LegEffect]:
        """Take a request in the early dialog."""
        if request.method == "ACK":
            return []
        if request.method not in {"BYE", "INVITE"}:
            return self._usage.handle(GotRequest(request), now)
        if not self._early.in_order(request):
            return [Reply(request, 500)]
        if request.method == "INVITE":
            # §14.2: before the final response to the first one
            return [Reply(request, 500, headers=self._terms.later())]
        # §15: the caller "MAY send a BYE for either confirmed or early dialogs"
        ended = LegEnded("remote", 487, reason_of(request))
        return [Reply(request, 200), *self._refuse(487, None, ended)]

    def _time_passed(self, now: float) -> list[LegEffect]:
        if self._expires_at is not None and now >= self._expires_at:
            # §13.3.1: expired before a final response: "a 487 … SHOULD be generated"
            return self._refuse(487, None, LegEnded("remote", 487, "expired"))
        if self._reliable.is_given_up(now):
            # RFC 3262 §3: "the UAS SHOULD reject the original request with a 5xx response"
            return self._refuse(504, None, LegEnded("failure", 504, "no PRACK"))
        effects = self._usage.handle(TimePassed(), now)
        again = self._reliable.time_passed(now)
        if again is not None:
            effects.append(again)
        if self._ring_at is not None and now >= self._ring_at:
            self._ring_at = now + RING_AGAIN
            if self._rung is not None and self._reliable.unacknowledged is None:
                effects += self._send_ring(self._rung, now)
        return effects


def _expiry(invite: SipRequest, now: float) -> float | None:
    """Return when the INVITE expires (§20.19), or None."""
    value = invite.headers.get_first("Expires") or ""
    if not (value.isascii() and value.isdigit()):
        return None
    return now + int(value[:10])  # the digits are cut first: int() of thousands of them raises
