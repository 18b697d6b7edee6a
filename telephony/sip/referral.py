"""The subscription that a REFER makes: 202, and NOTIFYs that say how it goes (RFC 3515 §2.4).

One machine for all REFERs of a dialog; they are carried out one after the other, so a second one
that comes meanwhile is told to wait (491). It lives within the dialog of the call and ends with it,
whoever ends it, with a last NOTIFY; while the outcome is open that says 100, which tells the peer
that it will not learn more (§2.4.5).
"""

from dataclasses import dataclass

from aiosipua import SipRequest

from telephony.sip.dialog import Body, Dialog, OutgoingRequest
from telephony.sip.invite_usage import (
    AnswerRefer,
    GotResponse,
    LegEffect,
    Reply,
    ReportRefer,
    RequestFailed,
    SendRequest,
    Tell,
)
from telephony.sip.leg_events import LegReferred
from telephony.sip.message import FAILED, FINAL, REASONS, TRYING, cseq_of
from telephony.sip.refer import ReferError, parse_refer

SIPFRAG = "message/sipfrag;version=2.0"
#: How long the peer is kept informed, seconds: a transferred call may have to wait in the queue.
EXPIRES = 300
BAD_EVENT = 489

_NO_REPORTS = (("Refer-Sub", "false"),)


@dataclass(slots=True)
class _Subscription:
    """Who wants to hear of a REFER; ``event`` is the Event header of its NOTIFYs."""

    event: str
    ends_at: float
    status: int = TRYING
    reason: str | None = None


class Referral:
    """The REFERs of one dialog.

    Args:
        dialog: the call's; NOTIFYs are sent in it.
    """

    def __init__(self, dialog: Dialog) -> None:
        self._dialog = dialog
        self._asked: SipRequest | None = None  # told as LegReferred, waiting for the owner
        self._reports = True
        self._count = 0
        self._subscription: _Subscription | None = None
        self._underway: OutgoingRequest | None = None  # the NOTIFY that waits for its answer
        self._again = False  # something has changed since that NOTIFY

    @property
    def deadline(self) -> float | None:
        """When `time_passed` wants to be called."""
        return self._subscription.ends_at if self._subscription else None

    # The peer

    def got_request(self, request: SipRequest, now: float) -> list[LegEffect]:
        """Take a REFER, or a SUBSCRIBE."""
        return (
            self._got_refer(request)
            if request.method == "REFER"
            else self._got_subscribe(request, now)
        )

    def _got_refer(self, request: SipRequest) -> list[LegEffect]:
        """Take a REFER."""
        if self._asked is not None or self._subscription is not None:
            return [Reply(request, 491)]
        try:
            refer = parse_refer(request)
        except ReferError as error:
            return [Reply(request, error.status, str(error))]
        self._asked, self._reports = request, refer.reports
        return [Tell(LegReferred(refer.uri, refer.replaces))]

    def _got_subscribe(self, request: SipRequest, now: float) -> list[LegEffect]:
        """Take a SUBSCRIBE, by which the peer prolongs or ends what its REFER made (§2.4.4)."""
        event = (request.headers.get_first("Event") or "").replace(" ", "")
        if event.partition(";")[0].lower() != "refer":
            return [Reply(request, BAD_EVENT, headers=(("Allow-Events", "refer"),))]
        subscription = self._subscription
        if subscription is None or event.lower() != subscription.event:
            return [Reply(request, 481)]
        asked = request.headers.get_first("Expires") or ""
        # the digits are cut first: int() of thousands of them raises
        seconds = min(int(asked[:9]), EXPIRES) if asked.isascii() and asked.isdigit() else EXPIRES
        subscription.ends_at = now + seconds
        effects: list[LegEffect] = [Reply(request, 200, headers=(("Expires", str(seconds)),))]
        return effects + (self._notify(now) if seconds else self.time_passed(now))

    # The owner

    def wished(self, wish: AnswerRefer | ReportRefer, now: float) -> list[LegEffect]:
        """Do what the owner of the call wishes."""
        if isinstance(wish, AnswerRefer):
            return self._answer(wish.status, wish.reason, now)
        return self._report(wish.status, wish.reason, now)

    def _answer(self, status: int, reason: str | None, now: float) -> list[LegEffect]:
        """Answer the REFER that waits: 202 and a first NOTIFY, or a refusal."""
        request, self._asked = self._asked, None
        if request is None:
            return []
        if not FINAL <= status < FAILED:
            return [Reply(request, status, reason)]
        if not self._reports:
            return [Reply(request, 202, headers=_NO_REPORTS)]  # RFC 4488 §4
        self._count += 1
        # §2.4.6: "the id … MAY be … omitted" for the first REFER of a dialog only
        event = "refer" if self._count == 1 else f"refer;id={cseq_of(request)[0]}"
        self._subscription = _Subscription(event, now + EXPIRES)
        # §2.4.4: "Each NOTIFY …"; the first one at once
        return [Reply(request, 202), *self._notify(now)]

    def _report(self, status: int, reason: str | None, now: float) -> list[LegEffect]:
        """Tell the peer a status of the call that it asked for; a final one ends the telling."""
        if self._subscription is None:
            return []
        self._subscription.status, self._subscription.reason = status, reason
        return self._notify(now)

    def end(self) -> list[LegEffect]:
        """Say the last word before the dialog ends, and leave no REFER without an answer."""
        asked, self._asked = self._asked, None
        effects: list[LegEffect] = [] if asked is None else [Reply(asked, 487)]
        if self._subscription is not None:
            self._underway = None  # no time to wait for its answer
            effects += self._notify(self._subscription.ends_at, last=True)
        return effects

    # NOTIFY

    def _notify(self, now: float, *, last: bool = False) -> list[LegEffect]:
        """Send the present status, unless the NOTIFY before is still on its way."""
        subscription = self._subscription
        if subscription is None:
            return []
        if self._underway is not None:
            self._again = True  # two at once could overtake each other
            return []
        self._again = False
        final, lapsed = subscription.status >= FINAL, now >= subscription.ends_at
        if final or last:
            state = "terminated;reason=noresource"  # RFC 3515 §2.4.7
        elif lapsed:
            state = "terminated;reason=timeout"
        else:
            state = f"active;expires={round(subscription.ends_at - now)}"
        reason = subscription.reason or REASONS.get(subscription.status, "")
        self._underway = self._dialog.request(
            "NOTIFY",
            (("Event", subscription.event), ("Subscription-State", state)),
            body=Body(SIPFRAG, f"SIP/2.0 {subscription.status} {reason}\r\n"),
        )
        if final or lapsed:
            self._subscription = None
        return [SendRequest(self._underway)]

    def answered(self, event: GotResponse | RequestFailed, now: float) -> list[LegEffect]:
        """Take the answer to a NOTIFY; anything but success ends the telling (RFC 6665 §4.2.2)."""
        status = 408 if isinstance(event, RequestFailed) else event.response.status_code
        if event.to != self._underway or status < FINAL:
            return []
        self._underway = None
        if status >= FAILED:
            self._subscription = None
        return self._notify(now) if self._again else []

    def time_passed(self, now: float) -> list[LegEffect]:
        """End a subscription that has lapsed."""
        if self._subscription is None or now < self._subscription.ends_at:
            return []
        if self._underway is not None:
            self._subscription = None  # a peer that has not answered since is not told either
            return []
        return self._notify(now)
