"""A call to us: from its INVITE to its end (RFC 3261 §13.3, §15; CANCEL §9.2)."""

from aiosipua import SipRequest

from telephony.sip.dialog import Dialog, sdp_of
from telephony.sip.errors import LocalProtocolError
from telephony.sip.established import RETRY_AFTER, EstablishedDialog, UnackedAnswer
from telephony.sip.identity import reason_of
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
    Reply,
    Ring,
    Tell,
    TimePassed,
)
from telephony.sip.key_press import got_info
from telephony.sip.leg_events import LegEnded
from telephony.sip.transaction import Timers
from telephony.sip.via import Address

# §13.3.1.1: "the UAS … SHOULD send a non-100 provisional response at every minute, to handle the
# possibility of lost provisional responses" and to keep proxies from cancelling.
RING_AGAIN = 60.0


class InboundLeg:
    """The machine of an incoming call. LegEnded is its last Tell, and comes exactly once.

    Args:
        invite: an initial INVITE.
        local_tag: our tag, fresh.
        source: where the INVITE came from.
        timers: the base intervals.
        now: monotonic seconds.

    Raises:
        AddressError: the INVITE's From, To or Contact is unusable.
    """

    def __init__(
        self, invite: SipRequest, *, local_tag: str, source: Address, timers: Timers, now: float
    ) -> None:
        self.invite = invite
        self.dialog: Dialog | None = Dialog.as_uas(invite, local_tag=local_tag, source=source)
        self.local_tag = self.dialog.local_tag
        self.over = False
        self._early = self.dialog
        self._timers = timers
        self._ring_at: float | None = None
        self._expires_at = _expiry(invite, now)
        self._established: EstablishedDialog | None = None

    @property
    def deadline(self) -> float | None:
        """When `handle` wants TimePassed; None: never."""
        if self.over:
            return None
        if self._established is not None:
            return self._established.deadline
        return min((at for at in (self._ring_at, self._expires_at) if at is not None), default=None)

    def handle(self, event: LegInput, now: float) -> list[LegEffect]:
        """Take one input, return what is to be done.

        Raises:
            LocalProtocolError: a refusal with a status that refuses nothing.
        """
        if isinstance(event, Refuse) and not LOWEST_REFUSAL <= event.status <= HIGHEST_STATUS:
            raise LocalProtocolError(f"{event.status} is not a refusal")
        if self.over:
            return []
        if self._established is not None:
            effects = self._established.handle(event, now)
            self.over = self._established.over
            return effects
        return self._handle_early(event, now)

    def _handle_early(  # noqa: PLR0911 - a table: one line for each input
        self, event: LegInput, now: float
    ) -> list[LegEffect]:
        match event:
            case Ring() if self._ring_at is None:
                return self._ring(now)
            case Answer(sdp):
                return self._answer(sdp, now)
            case Refuse(status, reason):
                return self._refuse(status, reason, LegEnded("local", status, reason))
            case HangUp(reason):
                return self._refuse(480, None, LegEnded("local", 480, reason))
            case GotCancel(invite) if invite is self.invite:
                return self._refuse(487, None, LegEnded("remote", 487, "cancelled"))
            case GotRequest(request):
                return self._got_request(request)
            case TimePassed() if self._expires_at is not None and now >= self._expires_at:
                # §13.3.1: expired before a final response: "a 487 … SHOULD be generated"
                return self._refuse(487, None, LegEnded("remote", 487, "expired"))
            case TimePassed() if self._ring_at is not None and now >= self._ring_at:
                return self._ring(now)
            case _:
                return []

    def _ring(self, now: float) -> list[LegEffect]:
        self._ring_at = now + RING_AGAIN
        return [Reply(self.invite, 180)]

    def _answer(self, sdp: str, now: float) -> list[LegEffect]:
        reply = Reply(self.invite, 200, sdp=sdp)
        self._established = EstablishedDialog(
            self._early,
            local_sdp=sdp,
            timers=self._timers,
            unacked=UnackedAnswer.sent(
                reply,
                first=True,
                offered=sdp_of(self.invite) is None,
                timers=self._timers,
                now=now,
            ),
        )
        return [reply]

    def _refuse(self, status: int, reason: str | None, ended: LegEnded) -> list[LegEffect]:
        self.over = True
        return [Reply(self.invite, status, reason), Tell(ended)]

    def _got_request(self, request: SipRequest) -> list[LegEffect]:
        """Take a request in the early dialog."""
        if request.method == "ACK":
            return []
        if not self._early.in_order(request):
            return [Reply(request, 500)]
        if request.method == "BYE":
            # §15: the caller "MAY send a BYE for either confirmed or early dialogs"
            ended = LegEnded("remote", 487, reason_of(request))
            return [Reply(request, 200), *self._refuse(487, None, ended)]
        if request.method == "INVITE" or sdp_of(request) is not None:
            # §14.2; RFC 3311 §5.2: an offer before the first one is answered
            return [Reply(request, 500, headers=RETRY_AFTER)]
        if request.method in {"REFER", "SUBSCRIBE", "NOTIFY"}:
            return [Reply(request, 481)]  # there is no call yet that could be transferred
        return got_info(request) if request.method == "INFO" else [Reply(request, 200)]


def _expiry(invite: SipRequest, now: float) -> float | None:
    """Return when the INVITE expires (§20.19), or None."""
    value = invite.headers.get_first("Expires") or ""
    return now + int(value) if value.isascii() and value.isdigit() else None
