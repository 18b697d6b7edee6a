"""A dialog from its 2xx to its BYE: the same for whoever called (RFC 3261 §13.3.1.4, §14, §15)."""

from dataclasses import dataclass

from aiosipua import SipRequest

from telephony.sip.dialog import SDP, Dialog, OutgoingRequest, sdp_of
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
    Reply,
    ReportRefer,
    RequestFailed,
    SendRequest,
    Tell,
    TimePassed,
)
from telephony.sip.key_press import got_info
from telephony.sip.leg_events import LegConfirmed, LegEnded, LegReoffered
from telephony.sip.message import FINAL, cseq_of
from telephony.sip.referral import Referral
from telephony.sip.transaction import Timers

# Seconds after which the peer may try again (§14.2 wants "a randomly chosen value of between 0 and
# 10"; the spread matters among many clients of one server, not between the two ends of a dialog).
RETRY_AFTER = (("Retry-After", "1"),)


@dataclass(slots=True)
class UnackedAnswer:
    """A 2xx of ours that the peer has not acknowledged, and its retransmission.

    Attributes:
        reply: the 2xx.
        first: it answers the INVITE that made the dialog.
        offered: it carries an offer, so the ACK will carry the answer.
        again_at: when to send it once more.
        interval: the wait after that, doubled up to T2.
        give_up_at: when to stop waiting.
    """

    reply: Reply
    first: bool
    offered: bool
    again_at: float
    interval: float
    give_up_at: float

    @classmethod
    def sent(
        cls, reply: Reply, *, first: bool, offered: bool, timers: Timers, now: float
    ) -> "UnackedAnswer":
        """Start waiting for the ACK of a 2xx sent just now."""
        return cls(
            reply=reply,
            first=first,
            offered=offered,
            again_at=now + timers.t1,
            interval=timers.t1,
            give_up_at=now + timers.give_up,
        )


class EstablishedDialog:
    """The machine of an answered call.

    Args:
        dialog: whose state it keeps up to date.
        local_sdp: what we last described; offered again to a re-INVITE that has no description.
        timers: the base intervals.
        unacked: our 2xx that waits for its ACK, when we were called.

    Attributes:
        over: LegEnded has been told; every input is ignored from now on.
    """

    def __init__(
        self,
        dialog: Dialog,
        *,
        local_sdp: str,
        timers: Timers,
        unacked: UnackedAnswer | None = None,
    ) -> None:
        self.dialog = dialog
        self.over = False
        self._timers = timers
        self._local_sdp = local_sdp
        self._unacked = unacked
        self._referral = Referral(dialog)
        self._bye_headers: tuple[tuple[str, str], ...] = ()
        self._offer: SipRequest | None = None  # told as LegReoffered, waiting for the owner
        self._ending: LegEnded | None = None  # what to tell when our BYE is through
        self._bye: OutgoingRequest | None = None

    @property
    def deadline(self) -> float | None:
        """When `handle` wants TimePassed."""
        waiting = self._unacked
        times = (waiting.again_at, waiting.give_up_at) if waiting else ()
        return min(filter(None, (*times, self._referral.deadline)), default=None)

    def handle(  # noqa: C901, PLR0911, PLR0912 - a table: one line for each input
        self, event: LegInput, now: float
    ) -> list[LegEffect]:
        """Take one input, return what is to be done."""
        if self.over:
            return []
        match event:
            case HangUp(reason, cause):
                if cause is not None:
                    self._bye_headers = (reason_header(cause, reason or ""),)
                ended = LegEnded("local", None, reason)
                return [*self._referral.end(now), *self.end_with(ended)]
            case AnswerRefer() | ReportRefer():
                return self._referral.wished(event, now)
            case Answer(sdp):
                return self._accept_offer(sdp, now)
            case Refuse(status, reason):
                return self._decline_offer(status, reason)
            case GotCancel(invite) if self._offer is invite:
                return self._decline_offer(487, None)
            case GotRequest(request):
                return self._got_request(request, now)
            case GotResponse(to, response) if to == self._bye and response.status_code >= FINAL:
                return self._end()
            case RequestFailed(to) if to == self._bye:
                # §15.1.1: the session is over for us whether or not the peer heard of it
                return self._end()
            case GotResponse() | RequestFailed():
                return self._referral.answered(event, now)
            case TimePassed():
                return [*self._referral.time_passed(now), *self._time_passed(now)]
            case _:
                return []

    # The owner

    def end_with(self, ending: LegEnded) -> list[LegEffect]:
        """Say BYE as soon as the protocol allows, and tell this when it is through."""
        if self._ending is not None:
            return []
        self._ending = ending
        effects = self._decline_offer(487, None)
        # §15: "the callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an
        # ACK for its 2xx response or until the server transaction times out."
        if self._unacked is None:
            effects += self._send_bye()
        return effects

    def _send_bye(self) -> list[LegEffect]:
        self._bye = self.dialog.request("BYE", self._bye_headers)
        return [SendRequest(self._bye)]

    def _accept_offer(self, sdp: str, now: float) -> list[LegEffect]:
        if self._offer is None:
            return []
        request, self._offer = self._offer, None
        self._local_sdp = sdp
        return self._accept(request, sdp, offered=False, now=now)

    def _accept(
        self, request: SipRequest, sdp: str, *, offered: bool, now: float
    ) -> list[LegEffect]:
        reply = Reply(request, 200, sdp=sdp)
        if request.method == "INVITE":
            self._unacked = UnackedAnswer.sent(
                reply, first=False, offered=offered, timers=self._timers, now=now
            )
        return [reply]

    def _decline_offer(self, status: int, reason: str | None) -> list[LegEffect]:
        if self._offer is None:
            return []
        request, self._offer = self._offer, None
        return [Reply(request, status, reason)]

    # The peer

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
            case "REFER" | "SUBSCRIBE" if self._ending is None:
                return self._referral.got_request(request, now)
            case "INFO":
                return got_info(request)
            case method:
                # §11.2: OPTIONS leaves the session as it is. A REFER of a call that is ending, or a
                # NOTIFY that nobody asked for, comes too late or to the wrong address.
                return [Reply(request, 200 if method == "OPTIONS" else 481)]

    def _got_ack(self, ack: SipRequest) -> list[LegEffect]:
        waiting = self._unacked
        if waiting is None or cseq_of(ack)[0] != cseq_of(waiting.reply.to)[0]:
            return []
        self._unacked = None
        sdp = sdp_of(ack) if waiting.offered else None
        if self._ending is not None:
            return self._send_bye()
        if waiting.offered and sdp is None and waiting.first:
            # §13.2.1: the answer "MUST be placed in the ACK"; without it there is no session
            return self.end_with(LegEnded("failure", None, "ACK without a session description"))
        return [Tell(LegConfirmed(sdp))] if waiting.first or sdp is not None else []

    def _got_bye(self, bye: SipRequest) -> list[LegEffect]:
        ended = self._ending or LegEnded("remote", None, reason_of(bye))
        # §15.1.2: "MUST still respond to any pending requests received for that dialog"
        return [*self._decline_offer(487, None), Reply(bye, 200), *self._end(ended)]

    def _got_offer(  # noqa: PLR0911 - one line for each clause
        self, request: SipRequest, now: float
    ) -> list[LegEffect]:
        """Take a re-INVITE (§14.2) or an UPDATE (RFC 3311 §5.2)."""
        if self._bye is not None:
            return [Reply(request, 481)]
        if self._offer is not None:
            # §14.2: "a second INVITE before it sends the final response to a first" gets 500
            return [Reply(request, 500, headers=RETRY_AFTER)]
        sdp = sdp_of(request)
        changes = request.method == "INVITE" or sdp is not None
        if changes and (self._unacked is not None or self._ending is not None):
            return [Reply(request, 491)]
        if sdp is None and request.body:
            return [Reply(request, 415, headers=(("Accept", SDP),))]
        self.dialog.refresh_target(request)
        if sdp is not None:
            self._offer = request
            return [Tell(LegReoffered(sdp))]
        if request.method == "UPDATE":
            return [Reply(request, 200)]
        return self._accept(request, self._local_sdp, offered=True, now=now)

    # Time

    def _time_passed(self, now: float) -> list[LegEffect]:
        waiting = self._unacked
        if waiting is None or now < min(waiting.again_at, waiting.give_up_at):
            return []
        if now >= waiting.give_up_at:
            # §13.3.1.4: "the dialog is confirmed, but the session SHOULD be terminated. This is
            # accomplished with a BYE". Nobody is there to answer it, so the end is told at once.
            self._unacked = None
            if self._ending is not None:
                return self._send_bye()
            return [
                *self.end_with(LegEnded("failure", 408, "no ACK")),
                *self._end(),
            ]
        waiting.interval = min(2 * waiting.interval, self._timers.t2)
        waiting.again_at = now + waiting.interval
        return [waiting.reply]

    def _end(self, ended: LegEnded | None = None) -> list[LegEffect]:
        self.over = True
        self._unacked = None
        return [Tell(ended or self._ending or LegEnded("local"))]
